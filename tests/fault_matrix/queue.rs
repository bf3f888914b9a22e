//! Requests that wait for a slot that another request holds.

use std::time::Duration;

use outbound_tests::certs::Certs;
use outbound_tests::faults::connect::silent_resolver;
use outbound_tests::gate::Gate;
use tower::ServiceExt as _;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::OutboundBuilder;

use crate::attempt::{Outcome, Reported};
use crate::stack::{Stack, request};
use crate::waits::{begin, cut};

/// Shorter than the connect timeout.
const ACQUIRE: Duration = Duration::from_secs(1);

pub(crate) const FAULTS: [&str; 3] = ["queue-full", "pool-timeout", "cancelled-in-queue"];

/// The only slot is held by a request that stays in its lookup.
pub(crate) async fn run(slug: &str, tls: bool, http2: bool) -> Outcome {
    let limits: fn(OutboundBuilder) -> OutboundBuilder = match slug {
        "queue-full" => |outbound| outbound.max_in_flight_per_origin(1).max_queued(0),
        _ => |outbound| outbound.max_in_flight_per_origin(1).acquire_timeout(ACQUIRE),
    };
    let asked = Gate::new();
    let tcp = silent_resolver(TcpConnector::new(), &asked);
    let stack = Stack::limited(Certs::new("peer.test").client_config(&[]), tcp, http2, limits);
    let scheme = if tls { "https" } else { "http" };
    let uri = format!("{scheme}://peer.test/").parse().unwrap();

    let holder = begin(&stack, "POST", &uri).await;
    asked.wait().await;
    if slug == "cancelled-in-queue" {
        cut(begin(&stack, "GET", &uri).await).await;
    } else {
        // The timeout passes at once.
        tokio::time::pause();
        let _ = stack.service.clone().oneshot(request("GET", &uri)).await;
        tokio::time::resume();
    }
    cut(holder).await;
    Reported::of_several(stack, "GET", 1, 1, &Vec::new()).await.finish(None).await
}
