//! Idle connections close in time, whatever the pool does.

use outbound_tests::server::Script;
use tower_outbound::RequestExt as _;

use super::*;
use crate::timeouts::http2::{ok, settings};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test(start_paused = true)]
async fn idle_connection_closes_at_idle_timeout() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    let (outbound, recorder) = recorded(|builder| builder.idle_timeout(4 * SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    for uses in [1, 2, 5] {
        for use_number in 1..=uses {
            post(&client, &server, 5).await.unwrap();
            if use_number < uses {
                tokio::time::sleep(3 * SECOND).await;
            }
        }
        let closed = recorder.close_reasons().len() + 1;
        // It leaves the pool first.
        let took = time_to_close(&recorder, closed).await;
        assert!((4 * SECOND..=4 * SECOND + ms(50)).contains(&took), "{took:?}");
        assert_eq!((server.accepted(), recorder.close_reasons()), (closed, vec!["idle_timeout"; closed]));
    }
    recorder.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn idle_http2_connection_closes_at_idle_timeout() {
    let script = Script::new().write(settings()).sleep(ms(10)).write(ok(1, true)).read_to_end();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded(|builder| builder.idle_timeout(4 * SECOND));
    let client = stack(&outbound, outbound.connector(peer), true);
    for closed in 1..=2 {
        post(&client, &server, 0).await.unwrap();
        assert_eq!(time_to_close(&recorder, closed).await, 4 * SECOND);
        assert_eq!((server.accepted(), recorder.close_reasons()), (closed, vec!["idle_timeout"; closed]));
    }
    recorder.assert_no_faults();
}

/// The peer answers early, and its window stops the upload for ever.
#[tokio::test(start_paused = true)]
async fn idle_http2_connection_closes_though_upload_is_stuck() {
    for keep_client in [true, false] {
        let script = Script::new().write(settings()).sleep(ms(10)).write(ok(1, true)).read_to_end();
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = recorded(|builder| builder.idle_timeout(4 * SECOND));
        let client = stack(&outbound, outbound.connector(peer), true);
        post(&client, &server, 8 << 20).await.unwrap();
        let client = keep_client.then_some(client);
        // The upload is reset after a second. Then nothing keeps the connection of a client that is gone.
        let (after, reason) = if keep_client { (4 * SECOND, "idle_timeout") } else { (SECOND, "dropped") };
        assert_eq!(time_to_close(&recorder, 1).await, after);
        assert_eq!(recorder.close_reasons(), [reason]);
        drop((client, outbound, server));
        guard::nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn idle_connection_closes_before_server_keep_alive_ends() {
    for (header, after) in [("timeout=5, max=100", 4_000), ("timeout=1", 500), ("timeout=60", 30_000)] {
        let answer = format!("HTTP/1.1 200 OK\r\nkeep-alive: {header}\r\ncontent-length: 2\r\n\r\n");
        // The server's time begins with its last byte.
        let script = Script::new().read_request().write(answer).sleep(ms(100)).write("ok");
        let (server, peer) = ScriptedServer::duplex(script.repeat());
        let (outbound, recorder) = recorded(|builder| builder);
        let client = stack(&outbound, outbound.connector(peer), false);
        for closed in 1..=2 {
            post(&client, &server, 5).await.unwrap();
            let took = time_to_close(&recorder, closed).await;
            assert!((ms(after)..=ms(after + 50)).contains(&took), "{header}: {took:?}");
        }
        assert_eq!(recorder.close_reasons(), ["idle_timeout"; 2]);
    }
}

/// The server's time runs while the caller has the response.
#[tokio::test(start_paused = true)]
async fn idle_keep_alive_has_passed_when_slow_caller_ends() {
    let answer = "HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\nok";
    for (held, left) in [(4_500, 0), (3_000, 1_000)] {
        let (server, peer) = ScriptedServer::duplex(Script::answering(answer));
        let (outbound, recorder) = recorded(|builder| builder);
        let client = stack(&outbound, outbound.connector(peer), false);
        let request = Request::get(server.uri("/")).body(Body::default()).unwrap();
        let response = client.clone().oneshot(request).await.unwrap();
        tokio::time::sleep(ms(held)).await;
        response.into_body().collect().await.unwrap();
        let took = time_to_close(&recorder, 1).await;
        assert!((ms(left)..=ms(left + 50)).contains(&took), "{took:?}");
        assert_eq!(recorder.close_reasons(), ["idle_timeout"]);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_of_zero_keeps_connection() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    for by_layer in [false, true] {
        let (outbound, recorder) =
            recorded(|builder| if by_layer { builder } else { builder.idle_timeout(Duration::ZERO) });
        let zero = outbound.track_layer().idle_timeout(Duration::ZERO);
        let track = if by_layer { zero } else { outbound.track_layer() };
        let client = stack(&outbound, track.layer(peer.clone()), false);
        for _ in 0..2 {
            post(&client, &server, 5).await.unwrap();
            tokio::time::sleep(3600 * SECOND).await;
        }
        assert_eq!(recorder.count("ConnectionOpened"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_excludes_slow_server_and_slow_caller() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
    let slow = Script::new().read_request().sleep(600 * SECOND).write(head).sleep(600 * SECOND).write("slow");
    let (server, peer) = ScriptedServer::duplex(slow.repeat());
    let (outbound, recorder) = recorded(|builder| builder.idle_timeout(4 * SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let request = Request::get(server.uri("/")).body(Body::default()).unwrap().streaming();
    let response = client.clone().oneshot(request).await.unwrap();
    tokio::time::sleep(3600 * SECOND).await;
    response.into_body().collect().await.unwrap();
    let took = time_to_close(&recorder, 1).await;
    assert!((4 * SECOND..=4 * SECOND + ms(50)).contains(&took), "{took:?}");
    assert_eq!(recorder.close_reasons(), ["idle_timeout"]);
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_spares_requests_that_no_layer_observes() {
    let script = Script::new().read_request().sleep(600 * SECOND).write(ANSWER).hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded(|builder| builder.idle_timeout(4 * SECOND));
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(peer));
    let request = Request::get(server.uri("/")).body(Body::default()).unwrap();
    client.request(request).await.unwrap().into_body().collect().await.unwrap();
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!(recorder.close_reasons(), [""; 0]);
}
