//! Everything is given back before the wait.

use std::time::Duration;

use http::StatusCode;
use outbound_tests::server::{Script, ScriptedServer};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_while_it_waits_leaves_nothing() {
    let bench = Bench::new();
    let (server, connector) = ScriptedServer::duplex(Script::answering(BUSY));
    let layer = bench
        .layer()
        .status([StatusCode::SERVICE_UNAVAILABLE])
        .backoff(Duration::from_secs(9), Duration::from_secs(9))
        .seed(1);
    let client = bench.stack(bench.outbound.connector(connector), &layer);
    let mut call = Box::pin(send(&client, get(server.uri("/"))));
    tokio::select! {
        _ = &mut call => panic!("it waits"),
        () = bench.recorder.wait_until(|recorder| recorder.count("BackoffStarted") == 1) => {}
    }
    // The connection is idle, and serves another one meanwhile.
    assert_eq!(bench.recorder.gauges(), (0, 1));
    drop(call);
    assert_eq!(
        bench.told(),
        [
            "call",
            "exchange 0",
            "resend status",
            "released drained",
            "backoff",
            "backoff over",
            "call cancelled in backoff"
        ]
    );
    assert_eq!(bench.recorder.outcomes(), ["ok"]);
    drop(client);
    bench.recorder.settled().await;
}
