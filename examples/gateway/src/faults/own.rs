//! Faults of the client's own limits.

use std::io;

use axum::http::Uri;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::outbound::OutboundBuilder;

use super::caller::{Caller, LIMIT, Options, cancelled};
use super::reported::Reported;
use super::{Fault, fault};

pub(super) fn faults() -> Vec<Fault> {
    let full = |builder: OutboundBuilder| builder.max_in_flight_per_origin(1).max_queued(0);
    let late = |builder: OutboundBuilder| builder.max_in_flight_per_origin(1).acquire_timeout(LIMIT);
    let one = |builder: OutboundBuilder| builder.max_in_flight_per_origin(1);
    vec![
        fault("queue-full", behind_another(full, async |caller, uri| caller.get(uri).await)),
        fault("pool-timeout", behind_another(late, async |caller, uri| caller.get(uri).await)),
        fault(
            "cancelled-in-queue",
            behind_another(one, async |caller, uri| {
                cancelled(caller.get(uri), tokio::task::yield_now()).await;
            }),
        ),
    ]
}

/// A request while another one has the only slot and is not answered.
async fn behind_another(
    limits: fn(OutboundBuilder) -> OutboundBuilder,
    second: impl AsyncFnOnce(&Caller, &Uri),
) -> io::Result<Reported> {
    let arrived = Gate::new();
    let server = ScriptedServer::tcp(Script::new().read_request().open(&arrived).read_to_end()).await?;
    let caller = Caller::new(Options { limits, ..Options::new(false) });
    let uri = server.uri("/");
    let second = async {
        arrived.wait().await;
        second(&caller, &uri).await;
    };
    // The first request is cancelled when the second has ended.
    cancelled(caller.get(&uri), second).await;
    Ok(caller.reported().await)
}
