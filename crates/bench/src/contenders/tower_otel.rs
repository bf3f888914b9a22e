//! tower-otel: a span with the body's end and four metrics for each request.

use tower::ServiceBuilder;
use tower_otel::{metrics, trace};
use tracing::Level;

use super::bare;
use crate::load::{Outcome, Run, Svc};
use crate::telemetry::Peer;

pub(super) async fn run(run: &Run) -> Outcome {
    let peer = Peer::install(run.setting.observe, run.to.receiver);
    let service = ServiceBuilder::new()
        .layer(trace::HttpLayer::client(Level::INFO).trace_body())
        .layer(metrics::HttpLayer::client(&peer.meter))
        .service(bare::plain(run.setting.traffic));
    let job = run.job();
    run.drive(|| Svc::new(service.clone(), job.clone()), peer.flush).await
}
