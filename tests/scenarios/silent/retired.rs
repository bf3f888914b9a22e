//! Retirement of a connection: frames on the wire, events and log.

use outbound_tests::server::Ended;
use tower_outbound::connect::ConnectionState;

use super::*;
use crate::log::Lines;

#[tokio::test(start_paused = true)]
async fn silent_retire_after_two_timeouts_third_gets_new_connection() {
    let (server, peer) = ScriptedServer::duplex([silent(), silent()]);
    let (outbound, recorder) = recorded();
    let client = http2(&outbound, outbound.connector(peer));
    warm_up(&client, &server).await;
    time_out(&client, request(&server)).await;
    rest().await;
    assert_eq!(
        (server.accepted(), recorder.count("ConnectionRetired")),
        (1, 0),
        "one timeout does not retire"
    );
    time_out(&client, request(&server)).await;
    assert_eq!(recorder.count("ConnectionRetired"), 1);
    // The connection's task has not run since the retirement.
    assert_eq!(get(&client, request(&server)).await.unwrap(), 0);

    assert_eq!(server.accepted(), 2);
    assert_eq!((opened(&server, 0), opened(&server, 1)), (vec![1, 3, 5], vec![1]));
    recorder.wait_until(|recorder| recorder.close_reasons().len() == 1).await;
    assert_eq!(recorder.close_reasons(), ["silent"]);
    assert_eq!(recorder.gauges(), (0, 1));
    server.wait_until(|log| log[0].ended == Some(Ended::PeerClosed)).await;
    let last = sent(&server, 0);
    let ends: Vec<_> = last.iter().filter(|frame| matches!(frame.0, RST_STREAM | GOAWAY)).collect();
    // CANCEL is 8. The client's GOAWAY has stream 0: the peer has opened no stream.
    assert_eq!(ends, [&(RST_STREAM, 3, 8), &(RST_STREAM, 5, 8), &(GOAWAY, 0, 0)]);

    let names = recorder.names();
    let place = |name: &str| names.iter().position(|emitted| emitted == name).unwrap();
    assert!(place("ConnectionRetired") < place("ConnectionClosed"));
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in wait", "response_timeout in wait", "ok"]);
    drop((client, server));
    recorder.settled().await;
    assert_eq!(recorder.close_reasons().len(), 2, "each connection closes once");
}

#[tokio::test(start_paused = true)]
async fn silent_retire_after_1_retires_on_first_timeout() {
    let (server, peer) = ScriptedServer::duplex([silent(), silent()]);
    let recorder = Recorder::new();
    let outbound = builder(&recorder).retire_silent_after(1).build();
    let client = http2(&outbound, outbound.connector(peer));
    warm_up(&client, &server).await;
    time_out(&client, request(&server)).await;
    get(&client, request(&server)).await.unwrap();
    assert_eq!((server.accepted(), opened(&server, 0)), (2, vec![1, 3]));
    assert_eq!(recorder.count("ConnectionRetired"), 1);
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_applies_to_peer_that_never_sent() {
    let (server, peer) = ScriptedServer::duplex([Script::new().read_to_end(), silent()]);
    let (outbound, recorder) = recorded();
    let client = http2(&outbound, outbound.connector(peer));
    time_out(&client, request(&server)).await;
    time_out(&client, request(&server)).await;
    get(&client, request(&server)).await.unwrap();
    assert_eq!(server.accepted(), 2);
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_once_for_ten_concurrent_timeouts() {
    let (server, peer) = ScriptedServer::duplex([silent(), silent()]);
    let (outbound, recorder) = recorded();
    let client = http2(&outbound, outbound.connector(peer));
    warm_up(&client, &server).await;
    let all: Vec<_> = (0..10).map(|_| time_out(&client, request(&server))).collect();
    futures_util::future::join_all(all).await;
    get(&client, request(&server)).await.unwrap();
    assert_eq!(server.accepted(), 2);
    assert_eq!(opened(&server, 0).len(), 11);
    assert_eq!(recorder.count("ConnectionRetired"), 1);
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_lets_stream_in_flight_end() {
    // Responds on the second stream 5 s later: head, a PING of the peer, and body.
    let late = responds_once().sleep(5 * SECOND).write(ok(3, false));
    let late = late.sleep(SECOND).write(ping()).write(frame(DATA, 1, 3, b"late")).read_to_end();
    let (server, peer) = ScriptedServer::duplex([late, silent()]);
    let (outbound, recorder) = recorded();
    let client = http2(&outbound, outbound.connector(peer));
    warm_up(&client, &server).await;
    let (first, first_request) = (client.clone(), patient(&server));
    let first =
        tokio::spawn(async move { get(&first, first_request).await.map_err(|error| error.to_string()) });
    rest().await;
    time_out(&client, request(&server)).await;
    time_out(&client, request(&server)).await;
    get(&client, request(&server)).await.unwrap();
    let old = outbound.connections().remove(0);
    assert_eq!((old.state(), old.in_flight()), (ConnectionState::Draining, 1));
    let before = old.bytes_in();
    assert_eq!(before, 28, "three frames of the peer; the injected GOAWAY does not count");

    assert_eq!(first.await.unwrap().unwrap(), 4);
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    assert_eq!(old.bytes_in(), before + 10 + 17 + 13);
    assert_eq!((opened(&server, 0), opened(&server, 1)), (vec![1, 3, 5, 7], vec![1]));
    assert_eq!(recorder.count("ConnectionRetired"), 1);
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_logs_single_warning() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("off,tower_outbound=warn")
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (server, peer) = ScriptedServer::duplex([silent(), silent()]);
    let outbound = Outbound::builder().timeouts(Timeouts::new().first_byte(SECOND)).build();
    let client = http2(&outbound, outbound.connector(peer));
    warm_up(&client, &server).await;
    time_out(&client, request(&server)).await;
    assert_eq!(lines.text(), "");
    time_out(&client, request(&server)).await;
    get(&client, request(&server)).await.unwrap();
    let log = lines.text();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in ["WARN tower_outbound: automatic recovery", "origin=http://127.0.0.1", "reason=\"silent\""] {
        assert!(log.contains(part), "{log}");
    }
    assert!(!secret::is_in(&log));
}
