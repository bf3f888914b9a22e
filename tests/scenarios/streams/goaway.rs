//! A request that the peer's GOAWAY leaves out is sent again.

use outbound_tests::faults::frames::goaway;
use outbound_tests::server::Script;

use super::*;
use crate::support::recorded;

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
