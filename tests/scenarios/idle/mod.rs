//! Connections that nobody uses: their deadline, and the guard of those whose peer takes nothing.

mod boundary;
mod deadline;
mod guard;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::ScriptedServer;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::limit::InFlightLimit;
use tower_outbound::observe::{Observe, ObserveRequestBody};
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::retry::{LeasedBody, Retry};
use tower_outbound::{Error, Outbound};

type Body = Full<Bytes>;
type Stack<C> = Retry<Observe<InFlightLimit<Client<C, ObserveRequestBody<LeasedBody<Body>>>>>>;

const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn recorded(set: impl FnOnce(OutboundBuilder) -> OutboundBuilder) -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    (set(Outbound::builder().observer(recorder.clone())).build(), recorder)
}

/// hyper-util's pool without a timer, so that it closes nothing.
fn stack<C: Connect + Clone>(outbound: &Outbound, connector: C, http2: bool) -> Stack<C> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .pool_idle_timeout(None)
        .retry_canceled_requests(false)
        .build(connector);
    outbound.layer().layer(client)
}

async fn post<C>(client: &Stack<C>, server: &ScriptedServer, size: usize) -> Result<(), Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let request = Request::post(server.uri("/")).body(Full::new(vec![b'x'; size].into())).unwrap();
    let response = client.clone().oneshot(request).await?;
    response.into_body().collect().await?;
    Ok(())
}

/// The time until `closed` connections are closed.
async fn time_to_close(recorder: &Recorder, closed: usize) -> Duration {
    let start = Instant::now();
    let all = recorder.wait_until(|recorder| recorder.close_reasons().len() == closed);
    tokio::time::timeout(Duration::from_secs(36_000), all).await.expect("it stays open");
    start.elapsed()
}
