//! Our layers around hyper-util's client, as the README has it.

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Layer;

use super::tls;
use crate::load::{Outcome, Run, Svc};
use crate::settings::Traffic;
use crate::telemetry;

pub(super) async fn run(run: &Run) -> Outcome {
    let (outbound, flush) = telemetry::outbound(run.setting.observe, &run.to);
    let h2 = run.setting.traffic == Traffic::H2;
    let https = HttpsConnectorBuilder::new().with_tls_config(tls::config(&run.to)).https_or_http();
    let https = match h2 {
        true => https.enable_http2().wrap_connector(outbound.http_connector()),
        false => https.enable_all_versions().wrap_connector(outbound.http_connector()),
    };
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(outbound.idle_timeout())
        .http2_only(h2)
        .retry_canceled_requests(false);
    if let Some(max_idle) = run.max_idle() {
        builder.pool_max_idle_per_host(max_idle);
    }
    let (service, job) = (outbound.layer().layer(builder.build(outbound.connector(https))), run.job());
    run.drive(|| Svc::new(service.clone(), job.clone()), flush).await
}
