//! Timeouts on HTTP/2: only the stream is reset, and the attempt reports whether the connection was silent.

use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::timeouts::{TimeoutKind, Timeouts};

use super::*;

/// A frame (RFC 9113, section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The peer's settings, and the acknowledgement of the client's.
pub(crate) fn settings() -> Vec<u8> {
    [frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat()
}

/// `:status: 200`, with or without a body.
pub(crate) fn ok(stream: u8, ends: bool) -> Vec<u8> {
    frame(1, if ends { 5 } else { 4 }, stream, &[0x88])
}

pub(crate) fn data(stream: u8, bytes: &[u8], ends: bool) -> Vec<u8> {
    frame(0, u8::from(ends), stream, bytes)
}

/// Answers the first request after 10 ms.
fn answered_once() -> Script {
    Script::new().write(settings()).sleep(ms(10)).write(ok(1, true))
}

#[tokio::test(start_paused = true)]
async fn http2_first_byte_timeout_on_silent_connection_is_silent() {
    let (server, peer) = ScriptedServer::duplex(answered_once().hang());
    let (outbound, recorder) = with(Timeouts::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), true);
    assert_eq!(succeed(&client, get(&server)).await, ms(10));
    tokio::time::advance(ms(1)).await;
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND);
    check(&error, TimeoutKind::FirstByte, SECOND);
    assert!(error.attempt().unwrap().connection_was_silent());
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in wait"]);
    assert_eq!(recorder.count("ConnectionClosed"), 0, "only the stream is reset");
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn http2_first_byte_timeout_on_live_connection_is_not_silent() {
    // A ping while the second request waits.
    let script = answered_once().sleep(ms(500)).write(frame(6, 0, 0, &[0; 8])).hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), true);
    succeed(&client, get(&server)).await;
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND);
    assert!(!error.attempt().unwrap().connection_was_silent());
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in wait"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn http2_body_timeout_ends_stream_and_keeps_connection() {
    for (timeouts, kind, took) in [
        (Timeouts::new().body_idle(SECOND), TimeoutKind::BodyIdle, ms(10 + 500 + 1000)),
        (Timeouts::new().attempt(SECOND), TimeoutKind::Attempt, SECOND),
    ] {
        let head = Script::new().write(settings()).sleep(ms(10)).write(ok(1, false));
        let (server, peer) = ScriptedServer::duplex(head.sleep(ms(500)).write(data(1, b"abc", false)).hang());
        let (outbound, recorder) = with(timeouts);
        let client = stack(&outbound, outbound.connector(peer), true);
        let (error, after) = fail(&client, get(&server)).await;
        check(&error, kind, SECOND);
        assert_eq!(after, took);
        assert_eq!(error.attempt().unwrap().response_body_bytes(), 3);
        assert_eq!(recorder.outcomes(), ["body_timeout in body"]);
        assert_eq!(recorder.count("ConnectionClosed"), 0);
        drop((client, outbound, error, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn http2_write_idle_timeout_on_closed_window_fails_in_send() {
    let (server, peer) = ScriptedServer::duplex(Script::new().write(settings()).hang());
    let (outbound, recorder) = with(Timeouts::new().write_idle(SECOND));
    let client = stack(&outbound, outbound.connector(peer), true);
    let (error, took) = fail(&client, post(&server, frames(20, 10_000, ms(100)))).await;
    check(&error, TimeoutKind::WriteIdle, SECOND);
    // The window is 65,535 bytes; the client takes slightly more from the body, then nothing.
    let taken = error.attempt().unwrap().request_body_bytes();
    assert!((65_535..100_000).contains(&taken), "{taken} bytes taken");
    assert_eq!(took, ms(taken / 100) + SECOND, "one second after the last frame taken");
    assert_eq!(recorder.outcomes(), ["write_timeout in send"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn http2_write_idle_timeout_excludes_idle_request_body() {
    let script = Script::new().write(settings()).sleep(16 * SECOND).write(ok(1, true)).hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new().write_idle(SECOND));
    let client = stack(&outbound, outbound.connector(peer), true);
    assert_eq!(succeed(&client, post(&server, frames(3, 100, 5 * SECOND))).await, 16 * SECOND);
    assert_eq!(recorder.outcomes(), ["ok"]);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}
