//! Timeouts of the response's body, on HTTP/1.

use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::timeouts::{TimeoutKind, Timeouts};

use super::*;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A head at once, then `count` chunks, each after a pause.
fn chunks(count: usize, pause: Duration) -> Script {
    let head = Script::new().read_request().write(CHUNKED);
    (0..count).fold(head, |script, _| script.sleep(pause).write("3\r\nabc\r\n"))
}

#[tokio::test(start_paused = true)]
async fn body_idle_timeout_counts_from_last_frame_and_has_status() {
    let (server, peer) = ScriptedServer::duplex(chunks(5, ms(900)).hang());
    let (outbound, recorder) = with(Timeouts::new().body_idle(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, ms(5 * 900 + 1000), "each frame is progress");
    check(&error, TimeoutKind::BodyIdle, SECOND);
    assert_eq!(error.source().unwrap().to_string(), "the peer sent no response data within 1s");
    let attempt = error.attempt().unwrap();
    assert_eq!(attempt.status(), Some(http::StatusCode::OK));
    assert_eq!(attempt.response_body_bytes(), 15);
    assert!(!attempt.connection_was_silent());
    assert_eq!(recorder.outcomes(), ["body_timeout in body"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn body_idle_timeout_excludes_time_of_slow_caller() {
    let script = chunks(3, ms(900)).write("0\r\n\r\n").hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new().body_idle(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let mut body = send(&client, get(&server)).await.unwrap().into_body();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        tokio::time::sleep(5 * SECOND).await;
    }
    assert_eq!(recorder.outcomes(), ["ok"]);
    drop((client, outbound, body, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn attempt_timeout_in_body_is_body_timeout() {
    let (server, peer) = ScriptedServer::duplex(chunks(100, ms(300)).hang());
    let (outbound, recorder) = with(Timeouts::new().attempt(SECOND).body_idle(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND);
    check(&error, TimeoutKind::Attempt, SECOND);
    assert_eq!(error.attempt().unwrap().response_body_bytes(), 9);
    assert_eq!(recorder.outcomes(), ["body_timeout in body"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

/// The timeout of the head is another timer, which the head ends.
#[tokio::test(start_paused = true)]
async fn attempt_timeout_in_body_counts_from_attempts_start() {
    let script = Script::new().read_request().sleep(ms(900)).write(CHUNKED).hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let limits = Timeouts::new().attempt(3 * SECOND).first_byte(SECOND).body_idle(Duration::ZERO);
    let (outbound, recorder) = with(limits);
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, 3 * SECOND);
    check(&error, TimeoutKind::Attempt, 3 * SECOND);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn attempt_timeout_in_body_applies_without_pending_poll() {
    let (server, peer) = ScriptedServer::duplex(chunks(100, ms(100)).hang());
    let (outbound, recorder) = with(Timeouts::new().attempt(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let mut body = send(&client, get(&server)).await.unwrap().into_body();
    tokio::time::sleep(ms(950)).await;
    // A frame that was received in time is returned, a later one is not.
    assert!(body.frame().await.unwrap().is_ok());
    tokio::time::sleep(ms(200)).await;
    let error = body.frame().await.unwrap().unwrap_err();
    check(&error, TimeoutKind::Attempt, SECOND);
    assert!(body.frame().await.is_none());
    assert!(body.get_ref().is_none(), "the client's body is dropped before the caller drops this one");
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["body_timeout in body"]);
}
