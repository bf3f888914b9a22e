//! A request that the peer's GOAWAY leaves out is sent again.

use outbound_tests::faults::frames::{goaway, rst_stream};
use outbound_tests::server::Script;
use tower_outbound::{Kind, SendState};

use super::*;
use crate::support::recorded;

/// The error code CANCEL.
const CANCEL: u32 = 8;

#[tokio::test(start_paused = true)]
async fn goaway_leaves_request_out_and_it_is_retried() {
    let graceful = Script::new().write(settings(100)).sleep(ms(10)).write(goaway(1, 0)).write(ok(1));
    let answers = Script::new().write(settings(100)).sleep(ms(10)).write(ok(1)).read_to_end();
    let (server, peer) = ScriptedServer::duplex([graceful.read_to_end(), answers]);
    let (outbound, recorder) = recorded();
    let client = outbound.layer().layer(http2(outbound.connector(peer)));
    let (first, second) = tokio::join!(read(&client, get(&server)), read(&client, get(&server)));
    let connections = [first, second].map(|timings| timings.unwrap().connection().unwrap().id());
    assert_ne!(connections[0], connections[1]);
    let mut outcomes = recorder.outcomes();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["goaway in wait", "ok", "ok"]);
    assert_eq!(recorder.count("RetryDecided"), 1);
    drop(client);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn goaway_leaves_request_out_whose_error_is_another() {
    // The GOAWAY includes the first request; the second one is reset, with a code that says nothing.
    let reset = rst_stream(3, CANCEL);
    let script = Script::new().write(settings(100)).sleep(ms(10)).write([reset, goaway(1, 0)].concat());
    let (server, peer) = ScriptedServer::duplex(script.sleep(ms(10)).write(ok(1)).read_to_end());
    let (outbound, _recorder) = recorded();
    let client = driven(&outbound, peer);
    let (first, second) = tokio::join!(read(&client, get(&server)), read(&client, get(&server)));
    first.unwrap();
    let failure = second.unwrap_err().failure().clone();
    assert_eq!((failure.kind(), failure.send_state()), (Kind::StreamReset, Some(SendState::NotProcessed)));
}
