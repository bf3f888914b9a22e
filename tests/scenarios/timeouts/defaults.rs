//! The timeouts that apply without being set.

use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::timeouts::{TimeoutKind, Timeouts};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn timeouts_default_to_60_s_of_silence() {
    for (script, upload, kind) in [
        (Script::new().read_request().hang(), nothing(), TimeoutKind::FirstByte),
        (Script::new().read_head().hang(), frames(1, 2_000_000, Duration::ZERO), TimeoutKind::WriteIdle),
        (Script::new().read_request().write(HEAD).hang(), nothing(), TimeoutKind::BodyIdle),
    ] {
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(Timeouts::new());
        let client = stack(&outbound, outbound.connector(peer), false);
        let (error, took) = fail(&client, post(&server, upload)).await;
        assert_eq!(took, MINUTE);
        check(&error, kind, MINUTE);
        drop((client, outbound, error, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn timeouts_default_allows_long_attempt_with_progress() {
    let head = Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
    let slow = (0..100).fold(head, |script, _| script.sleep(ms(59_000)).write("x"));
    let (server, peer) = ScriptedServer::duplex(slow.hang());
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer), false);
    let upload = frames(100, 10, ms(300_000));
    assert_eq!(succeed(&client, post(&server, upload)).await, ms(100 * 359_000));
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}
