//! Connections that are not retired.

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use tower_outbound::BoxError;
use tower_outbound::observe::ObserveRequestBody;

use super::*;

#[tokio::test(start_paused = true)]
async fn silent_retire_count_restarts_after_ping() {
    // The PING arrives at 1.5 s, between the first timeout and the second request.
    let script = responds_once().sleep(ms(1500)).write(ping()).read_to_end();
    let (server, peer) = ScriptedServer::duplex([script, silent()]);
    let (outbound, recorder) = recorded();
    let client = http2(&outbound, outbound.connector(peer));
    warm_up(&client, &server).await;
    time_out(&client, request(&server)).await;
    tokio::time::sleep(SECOND).await;
    time_out(&client, request(&server)).await;
    rest().await;
    assert_eq!((recorder.count("ConnectionRetired"), recorder.count("ConnectionClosed")), (0, 0));
    time_out(&client, request(&server)).await;
    assert_eq!(recorder.count("ConnectionRetired"), 1, "two consecutive timeouts");
    assert_eq!(opened(&server, 0), [1, 3, 5, 7]);
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_keeps_connection_with_other_stream_data() {
    let mut script = Script::new().write(settings()).sleep(ms(10)).write(ok(1, false));
    for _ in 0..20 {
        script = script.sleep(ms(300)).write(frame(DATA, 0, 1, b"x"));
    }
    let (server, peer) = ScriptedServer::duplex(script.write(frame(DATA, 1, 1, b"")).read_to_end());
    let (outbound, recorder) = recorded();
    let client = http2(&outbound, outbound.connector(peer));
    let (first, first_request) = (client.clone(), patient(&server));
    let first = tokio::spawn(async move { get(&first, first_request).await.unwrap() });
    rest().await;
    for _ in 0..4 {
        time_out(&client, request(&server)).await;
    }
    assert_eq!(first.await.unwrap(), 20);
    assert_eq!((server.accepted(), opened(&server, 0)), (1, vec![1, 3, 5, 7, 9]));
    assert_eq!((recorder.count("ConnectionRetired"), recorder.count("ConnectionClosed")), (0, 0));
    drop((client, server));
    recorder.settled().await;
    assert_ne!(recorder.close_reasons(), ["silent"]);
}

#[tokio::test(start_paused = true)]
async fn silent_retire_after_0_is_off() {
    let (server, peer) = ScriptedServer::duplex(silent());
    let recorder = Recorder::new();
    let outbound = builder(&recorder).retire_silent_after(0).build();
    let client = http2(&outbound, outbound.connector(peer));
    warm_up(&client, &server).await;
    for _ in 0..5 {
        time_out(&client, request(&server)).await;
    }
    rest().await;
    assert_eq!((server.accepted(), opened(&server, 0)), (1, vec![1, 3, 5, 7, 9, 11]));
    assert_eq!((recorder.count("ConnectionRetired"), recorder.count("ConnectionClosed")), (0, 0));
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_keeps_peer_waiting_for_request_body() {
    let (server, peer) = ScriptedServer::duplex(Script::new().write(settings()).read_to_end());
    let recorder = Recorder::new();
    let outbound = builder(&recorder).timeouts(Timeouts::new().attempt(SECOND)).build();
    let client: Client<_, ObserveRequestBody<UnsyncBoxBody<Bytes, BoxError>>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build(outbound.connector(peer));
    let client = outbound.attempt_layer().layer(client);
    let mut silent_count = 0;
    for _ in 0..4 {
        let body = UnsyncBoxBody::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, BoxError>>()));
        let error = client.clone().oneshot(secret::request(&server.uri("/"), body)).await.unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ResponseTimeout);
        silent_count += u32::from(error.attempt().unwrap().connection_was_silent());
    }
    rest().await;
    assert_eq!((server.accepted(), opened(&server, 0)), (1, vec![1, 3, 5, 7]));
    assert_eq!(silent_count, 3, "the peer's SETTINGS arrived during the first attempt");
    assert_eq!((recorder.count("ConnectionRetired"), recorder.count("ConnectionClosed")), (0, 0));
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_skips_goaway_and_closes_as_goaway() {
    // GOAWAY allows a response on stream 1; the peer never sends the response.
    let goaway = frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]);
    let script = Script::new().write(settings()).sleep(ms(10)).write(goaway).read_to_end();
    let (server, peer) = ScriptedServer::duplex([script, silent()]);
    let recorder = Recorder::new();
    let outbound = builder(&recorder).retire_silent_after(1).build();
    let client = http2(&outbound, outbound.connector(peer));
    let both = [request(&server), request(&server)].map(|request| time_out(&client, request));
    futures_util::future::join_all(both).await;
    recorder.wait_until(|recorder| recorder.close_reasons() == ["goaway"]).await;
    assert_eq!(recorder.count("ConnectionRetired"), 0);
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_http1_timeout_costs_own_connection_only() {
    // Connection 0 sends nothing. Connection 1 sends part of a response.
    let partial = Script::new().read_request().sleep(ms(500)).write("HTTP/1.1 200 OK\r\nx: ").read_to_end();
    let complete = Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (server, peer) = ScriptedServer::duplex([Script::new().read_to_end(), partial, complete]);
    let (outbound, recorder) = recorded();
    let client = crate::support::stack(&outbound, outbound.connector(peer));
    time_out(&client, request(&server)).await;
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    time_out(&client, request(&server)).await;
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent", "dropped"]).await;
    for _ in 0..3 {
        assert_eq!(get(&client, request(&server)).await.unwrap(), 2);
    }
    assert_eq!((server.accepted(), recorder.count("ConnectionRetired")), (3, 0));
    drop((client, server));
    recorder.settled().await;
}
