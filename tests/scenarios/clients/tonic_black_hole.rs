//! tonic whose connects never complete.

use std::time::Duration;

use outbound_tests::server::{Script, ScriptedServer};
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Endpoint;

use super::tonic_server::{EchoClient, without_backoff};
use crate::support::recorded;

const SECOND: Duration = Duration::from_secs(1);

/// Two connects of 10 s each would take 20 s.
#[tokio::test(start_paused = true)]
async fn tonic_black_hole_ends_within_1_5_connect_timeouts() {
    let (_server, peer) = ScriptedServer::duplex(Script::new().hang());
    let (outbound, recorder) = recorded();
    let endpoint = Endpoint::from_static("http://echo.test");
    let channel =
        outbound.tonic(endpoint).connector(peer.delay(3_600 * SECOND)).retry(without_backoff).connect_lazy();
    let mut client = EchoClient::new(channel);
    for call in 1..=3 {
        let start = Instant::now();
        let status = client.unary("hello").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let took = start.elapsed();
        assert!((10 * SECOND..=15 * SECOND).contains(&took), "call {call}: {took:?}");
    }
    assert!(recorder.outcomes().iter().all(|outcome| outcome.starts_with("connect_timeout")), "{recorder:?}");
    drop((client, outbound));
    recorder.settled().await;
}
