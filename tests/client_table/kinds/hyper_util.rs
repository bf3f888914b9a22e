//! hyper-util's pooled client, put together by hand.

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_layer::Layer as _;
use tower_outbound::connect::Protocol;

use super::{Kind, NO_REFUSAL, TCP, TLS, cloned};
use crate::cell::{Parts, Send};
use crate::resolver::resolver;

pub(crate) const HTTP_1: Kind = Kind {
    name: "hyper-util, HTTP/1",
    protocol: Protocol::Http1,
    tls: false,
    setup: TCP,
    pays: true,
    tracked: true,
    build: |parts| Box::pin(async move { build(&parts, false) }),
    cannot: &[NO_REFUSAL],
};

pub(crate) const HTTP_2: Kind = Kind {
    name: "hyper-util, HTTP/2",
    protocol: Protocol::Http2,
    build: |parts| Box::pin(async move { build(&parts, true) }),
    cannot: &[],
    ..HTTP_1
};

pub(crate) const TLS_HTTP_1: Kind =
    Kind { name: "hyper-util, HTTP/1 in TLS", tls: true, setup: TLS, ..HTTP_1 };

pub(crate) const TLS_HTTP_2: Kind =
    Kind { name: "hyper-util, HTTP/2 in TLS", protocol: Protocol::Http2, cannot: &[], ..TLS_HTTP_1 };

/// In TLS, ALPN selects the version.
fn build(Parts { outbound, certs, .. }: &Parts, http2_only: bool) -> Send {
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(outbound.http_connector().resolver(resolver()));
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(outbound.idle_timeout())
        .retry_canceled_requests(false)
        .http2_only(http2_only)
        .build(outbound.connector(https));
    cloned(outbound.layer().layer(client))
}
