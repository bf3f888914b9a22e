//! Resets of the pools.

use std::time::Duration;

use outbound_tests::server::{Script, ScriptedServer};
use tower::{Layer, ServiceExt};
use tower_outbound::Outbound;
use tower_outbound::pool::Pool;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn resets_are_counted_by_how_they_came() {
    let rig = Rig::new();
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().read_to_end());
    let outbound = Outbound::builder().observer(rig.observer().build()).recover_after(1).build();
    let pool = Pool::builder().max_connections_per_origin(1).acquire_timeout(Duration::from_secs(1));
    let service = outbound.attempt_layer().layer(pool.build(outbound.connector(peer)));
    let get = || http::Request::get(server.uri("/")).body(Body::default()).unwrap();
    let held = tokio::spawn(service.clone().oneshot(get()));
    server.wait_until(|log| log.iter().any(|connection| connection.requests > 0)).await;
    service.oneshot(get()).await.unwrap_err();
    held.await.unwrap().unwrap_err();
    outbound.reset();
    let counted: Vec<_> = rig.values("outbound.resets").into_iter().collect();
    let outcome = |outcome: &str| Attributes::from([("outbound.outcome".to_owned(), outcome.to_owned())]);
    assert_eq!(counted, [(outcome("ok"), 1.0), (outcome("recovery"), 1.0)]);
}
