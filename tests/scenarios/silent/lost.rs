//! A silent connection closes at once if no GOAWAY can be injected or the peer does not read.

use tower_outbound::Phase;

use super::*;

/// An attempt without a timeout is in flight while the peer goes silent after these bytes. Two timeouts retire the
/// connection.
async fn amid(bytes: Vec<u8>) {
    let script = Script::new().write(settings()).sleep(ms(10)).write(bytes).read_to_end();
    let (server, peer) = ScriptedServer::duplex([script, silent()]);
    let (outbound, recorder) = recorded();
    let client = http2(&outbound, outbound.connector(peer));
    let (first, first_request) = (client.clone(), patient(&server));
    let first = tokio::spawn(async move { get(&first, first_request).await.unwrap_err() });
    tokio::time::sleep(ms(20)).await;
    time_out(&client, request(&server)).await;
    time_out(&client, request(&server)).await;
    let error = first.await.unwrap();
    assert_eq!(error.failure().kind(), Kind::ResponseTimeout);
    assert!(is_silent_error(&error), "{error:?}");
    assert_eq!(recorder.close_reasons(), ["silent"]);
    assert_eq!(recorder.count("ConnectionRetired"), 1);
    get(&client, request(&server)).await.unwrap();
    assert_eq!((opened(&server, 0), opened(&server, 1)), (vec![1, 3, 5], vec![1]));
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_amid_frame_closes_connection_with_streams() {
    amid(ok(1, true)[..9].to_vec()).await;
}

#[tokio::test(start_paused = true)]
async fn silent_amid_frame_head_closes_connection_with_streams() {
    amid(ok(1, true)[..4].to_vec()).await;
}

#[tokio::test(start_paused = true)]
async fn silent_amid_header_block_closes_connection_with_streams() {
    // HEADERS without END_HEADERS: only CONTINUATION may follow.
    amid(frame(HEADERS, 0, 1, &[0x88])).await;
}

#[tokio::test(start_paused = true)]
async fn silent_peer_not_reading_closes_connection() {
    // The upload fills the pipe of 64 KiB, so the client cannot even reset a stream.
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0x10, 0, 0]);
    let more = frame(8, 0, 0, &[0, 0x10, 0, 0]);
    let not_reading = Script::new().write([window, frame(SETTINGS, 1, 0, &[]), more].concat()).hang();
    let (server, peer) = ScriptedServer::duplex([not_reading, silent()]);
    let recorder = Recorder::new();
    let limits = Timeouts::new().first_byte(SECOND).write_idle(SECOND);
    let outbound = builder(&recorder).timeouts(limits).build();
    let client = http2(&outbound, outbound.connector(peer));
    // The peer's SETTINGS arrive during the first attempt, so its timeout does not count.
    time_out(&client, request(&server)).await;
    time_out(&client, request(&server)).await;
    assert_eq!(recorder.count("ConnectionRetired"), 0);
    let body = Body::from(vec![b'x'; 200_000]);
    let error = get(&client, secret::request(&server.uri("/"), body)).await.unwrap_err();
    assert_eq!(error.failure().class(), Some(tower_outbound::Class::Timeout));
    assert_eq!(recorder.count("ConnectionRetired"), 1);
    get(&client, request(&server)).await.unwrap();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    assert!(recorder.phases().contains(&(Phase::Wait, "response_timeout")));
    assert_eq!(server.accepted(), 2);
    drop((client, server));
    recorder.settled().await;
}
