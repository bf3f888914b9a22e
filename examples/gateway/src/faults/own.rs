//! Faults of this side: its own limits, and the request's own body.

use std::io;

use axum::http::Uri;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::outbound::OutboundBuilder;

use super::caller::{Caller, LIMIT, Options, cancelled};
use super::request::failing;
use super::told::Told;
use super::{Fault, fault};

pub(super) fn faults() -> Vec<Fault> {
    let full = |builder: OutboundBuilder| builder.max_in_flight_per_origin(1).max_queued(0);
    let late = |builder: OutboundBuilder| builder.max_in_flight_per_origin(1).acquire_timeout(LIMIT);
    let one = |builder: OutboundBuilder| builder.max_in_flight_per_origin(1);
    vec![
        fault("request-body-error", body_fails()),
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

/// Amid the upload.
async fn body_fails() -> io::Result<Told> {
    let arrived = Gate::new();
    let script = Script::new().read_head().read_exact(1_000).open(&arrived).read_to_end();
    let server = ScriptedServer::tcp(script).await?;
    let caller = Caller::new(Options::new(false));
    caller.send(failing(&server.uri("/"), arrived), || {}).await;
    Ok(caller.told().await)
}

/// A request while another one, which is not answered, has the only slot.
async fn behind_another(
    limits: fn(OutboundBuilder) -> OutboundBuilder,
    second: impl AsyncFnOnce(&Caller, &Uri),
) -> io::Result<Told> {
    let arrived = Gate::new();
    let server = ScriptedServer::tcp(Script::new().read_request().open(&arrived).read_to_end()).await?;
    let caller = Caller::new(Options { limits, ..Options::new(false) });
    let uri = server.uri("/");
    let second = async {
        arrived.wait().await;
        second(&caller, &uri).await;
    };
    // The first one is given up when the second is over.
    cancelled(caller.get(&uri), second).await;
    Ok(caller.told().await)
}
