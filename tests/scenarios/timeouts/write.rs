//! Timeouts while the request is written, on HTTP/1.

use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::timeouts::{TimeoutKind, Timeouts};

use super::*;

const MUCH: usize = 2_000_000;

#[tokio::test(start_paused = true)]
async fn write_idle_timeout_on_stalled_peer_fails_in_send() {
    // As one frame, which the client takes at once, and as many.
    for (count, size) in [(1, MUCH), (MUCH / 10_000, 10_000)] {
        let (server, peer) = ScriptedServer::duplex(Script::new().read_head().hang());
        let (outbound, recorder) = with(Timeouts::new().write_idle(SECOND).first_byte(ms(1)));
        let client = stack(&outbound, outbound.connector(peer), false);
        let (error, took) = fail(&client, post(&server, frames(count, size, Duration::ZERO))).await;
        assert_eq!(took, SECOND);
        check(&error, TimeoutKind::WriteIdle, SECOND);
        assert_eq!(recorder.outcomes(), ["write_timeout in send"]);
        drop((client, outbound, error, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn write_idle_timeout_restarts_when_peer_reads() {
    let takes = |script: Script| script.sleep(ms(900)).read_exact(100_000);
    let script = (0..5).fold(Script::new().read_head(), |script, _| takes(script));
    let (server, peer) = ScriptedServer::duplex(script.hang());
    let (outbound, recorder) = with(Timeouts::new().write_idle(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, post(&server, frames(1, MUCH, Duration::ZERO))).await;
    assert_eq!(took, ms(5 * 900 + 1000));
    check(&error, TimeoutKind::WriteIdle, SECOND);
    assert_eq!(recorder.outcomes(), ["write_timeout in send"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn write_idle_timeout_excludes_idle_request_body() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().write(ANSWER).hang());
    let (outbound, recorder) = with(Timeouts::new().write_idle(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    assert_eq!(succeed(&client, post(&server, frames(3, 10_000, 5 * SECOND))).await, 15 * SECOND);
    assert_eq!(recorder.outcomes(), ["ok"]);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}
