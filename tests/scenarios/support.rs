//! Clients that the scenarios share.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use outbound_tests::recorder::Recorder;
use tower_layer::Layer as _;
use tower_outbound::Outbound;
use tower_outbound::connect::{TcpConnector, Track};
use tower_outbound::limit::InFlightLimit;
use tower_outbound::observe::{Observe, ObserveRequestBody};

/// The request body of the scenarios.
pub(crate) type Body = Full<Bytes>;
/// An observed hyper-util client over a tracked connector.
pub(crate) type Stack<C> = Observe<InFlightLimit<Client<C, ObserveRequestBody<Body>>>>;

/// An `Outbound` with a recorder as observer.
pub(crate) fn recorded() -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    (Outbound::builder().observer(recorder.clone()).build(), recorder)
}

/// hyper-util's client over plain TCP.
pub(crate) fn tcp(outbound: &Outbound) -> Stack<Track<TcpConnector>> {
    stack(outbound, outbound.connector(outbound.http_connector()))
}

/// hyper-util's client over a connector.
pub(crate) fn stack<C: Connect + Clone>(outbound: &Outbound, connector: C) -> Stack<C> {
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .build(connector);
    outbound.attempt_layer().layer(client)
}
