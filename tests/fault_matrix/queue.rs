//! Requests that want a slot which another one has.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use tower::{ServiceExt as _, service_fn};
use tower_outbound::BoxError;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::OutboundBuilder;

use crate::cell::{Result, Told, empty};
use crate::stack::{Stack, request};
use crate::waits::{begin, cut};

/// Shorter than a connect may take.
const ACQUIRE: Duration = Duration::from_secs(1);

/// The only slot is held by a request that stays in its lookup.
pub(crate) async fn run(slug: &str, tls: bool, http2: bool) -> Result {
    let limits: fn(OutboundBuilder) -> OutboundBuilder = match slug {
        "queue-full" => |outbound| outbound.max_in_flight_per_origin(1).max_queued(0),
        _ => |outbound| outbound.max_in_flight_per_origin(1).acquire_timeout(ACQUIRE),
    };
    let asked = Gate::new();
    let opens = asked.clone();
    let resolver = service_fn(move |_: Name| {
        opens.open();
        pending::<std::result::Result<std::vec::IntoIter<SocketAddr>, BoxError>>()
    });
    let tcp = TcpConnector::new().resolver(resolver);
    let stack = Stack::limited(Certs::new("peer.test").client_config(&[]), tcp, http2, limits);
    let scheme = if tls { "https" } else { "http" };
    let uri = format!("{scheme}://peer.test/").parse().unwrap();

    let holder = begin(&stack, "POST", &uri).await;
    asked.wait().await;
    if slug == "cancelled-in-queue" {
        cut(begin(&stack, "GET", &uri).await).await;
    } else {
        // Where it has to wait, the limit passes at once.
        tokio::time::pause();
        let _ = stack.service.clone().oneshot(request("GET", &uri, empty())).await;
        tokio::time::resume();
    }
    cut(holder).await;
    Told::of_several(stack, "GET", 1, 1, &Vec::new()).await.finish(None).await
}
