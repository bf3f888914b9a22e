//! The clients. Every name is this host.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::iter::{Once, once};
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperUtil;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tower::Service;
use tower_outbound::{Event, Outbound, OutboundClient};
use tower_outbound_otel::{OtelObserver, Phases};

use super::plan::{Among, Client, Plan};
use crate::contenders::tls_config;
use crate::load::Up;
use crate::server::Addresses;
use crate::telemetry::{Flush, null_metrics, null_traces};

/// Longer than a run takes under valgrind.
const LONG: Duration = Duration::from_secs(3_600);

/// Resolves each name to this host, and leaves the port to the URI.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThisHost;

impl<N> Service<N> for ThisHost {
    type Response = Once<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Once<SocketAddr>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: N) -> Self::Future {
        ready(Ok(once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))))
    }
}

fn tcp() -> HttpConnector<ThisHost> {
    let mut tcp = HttpConnector::new_with_resolver(ThisHost);
    tcp.set_nodelay(true);
    tcp
}

pub(super) fn bare() -> HyperUtil<HttpConnector<ThisHost>, Up> {
    HyperUtil::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(tcp())
}

pub(super) fn bare_tls(to: &Addresses) -> HyperUtil<HttpsConnector<HttpConnector<ThisHost>>, Up> {
    let mut tcp = tcp();
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls_config(to)).https_or_http();
    let mut builder = HyperUtil::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(LONG);
    builder.build(https.enable_all_versions().wrap_connector(tcp))
}

/// What reports for a client: the meter provider must outlive it.
pub(super) struct Ours {
    pub(super) client: OutboundClient,
    pub(super) flush: Flush,
    _metrics: Option<SdkMeterProvider>,
}

pub(super) fn ours(plan: Plan, to: &Addresses) -> Ours {
    let (mut builder, mut flush, mut metrics) = (Outbound::builder(), Flush::nothing(), None);
    if matches!(plan.client, Client::Metrics | Client::Traces) {
        let provider = null_metrics();
        let mut observer = OtelObserver::builder().meter_provider(&provider).phases(Phases::Spans);
        if plan.client == Client::Traces {
            let (traces, exported) = null_traces(1.0);
            observer = observer.tracer_provider(&traces);
            flush = exported;
        }
        builder = builder.observer(observer.build());
        metrics = Some(provider);
    }
    match plan.among {
        Among::Observers => {
            for _ in 0..plan.size {
                builder = builder.observer(|_: &Event<'_>| {});
            }
        }
        Among::Waiting => builder = builder.max_in_flight(1).max_queued(plan.size).acquire_timeout(LONG),
        _ => {}
    }
    let outbound = builder.idle_timeout(LONG).build();
    let client = outbound
        .client_builder()
        .tls_config(tls_config(to))
        .tcp_connector(outbound.http_connector().resolver(ThisHost))
        .max_idle_per_origin(plan.size.max(1));
    Ours { client: client.build(), flush, _metrics: metrics }
}
