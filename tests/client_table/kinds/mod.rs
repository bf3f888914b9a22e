//! The kinds of clients, and the scenarios that each cannot run.

mod client_pool;
mod hyper_conn;
mod hyper_util;
mod outbound_client;
mod reqwest;
mod tonic;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::{Service, ServiceExt as _};
use tower_outbound::connect::Protocol;
use tower_outbound::{Error, Phase};

use crate::cell::{Body, Parts, Send};

/// One kind of client.
pub(crate) struct Kind {
    /// The column of the table.
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) tls: bool,
    /// The phases of connection setup that are measured.
    pub(crate) setup: &'static [Phase],
    /// Whether a connect is attributed to the request that started it.
    pub(crate) pays: bool,
    /// Whether the IO is tracked: bytes, and when and why a connection closes.
    pub(crate) tracked: bool,
    pub(crate) build: fn(Parts) -> BoxFuture<'static, Send>,
    /// Scenarios that this client cannot run, each with the reason.
    pub(crate) cannot: &'static [(&'static str, &'static str)],
}

const TCP: &[Phase] = &[Phase::Dns, Phase::Tcp];
const TLS: &[Phase] = &[Phase::Dns, Phase::Tcp, Phase::Tls];

/// Impossible for all HTTP/1 clients.
const NO_REFUSAL: (&str, &str) = (
    "retry_of_unprocessed_request_is_made",
    "HTTP/1 cannot signal that a request was not processed (HTTP/2 has `REFUSED_STREAM`)",
);

/// The columns of the table.
pub(crate) const ALL: &[Kind] = &[
    hyper_util::HTTP_1,
    hyper_util::HTTP_2,
    hyper_util::TLS_HTTP_1,
    hyper_util::TLS_HTTP_2,
    outbound_client::HTTP_1,
    outbound_client::TLS_HTTP_2,
    hyper_conn::HTTP_1,
    hyper_conn::HTTP_2,
    client_pool::HTTP_1,
    client_pool::HTTP_2,
    tonic::PLAIN,
    tonic::TLS_BELOW,
    tonic::TLS_ABOVE,
    reqwest::HTTP_1,
    reqwest::TLS_HTTP_2,
];

/// A client that can be cloned.
fn cloned<S, B>(service: S) -> Send
where
    S: Service<Request<Body>, Response = Response<B>, Error = Error>
        + Clone
        + std::marker::Send
        + Sync
        + 'static,
    S::Future: std::marker::Send,
    B: http_body::Body<Data = bytes::Bytes> + std::marker::Send + 'static,
    B::Error: Into<Error>,
{
    std::sync::Arc::new(move |request| {
        let call = service.clone().oneshot(request);
        Box::pin(async move { Ok(call.await?.map(|body| body.map_err(Into::into).boxed_unsync())) })
    })
}

impl Kind {
    /// The reason why this client cannot run the scenario.
    pub(crate) fn cannot(&self, scenario: &str) -> Option<&'static str> {
        self.cannot.iter().find(|(name, _)| *name == scenario).map(|(_, reason)| *reason)
    }
}
