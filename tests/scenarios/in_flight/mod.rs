//! Limits of requests in flight: order and duration of waits, when slots are held, and that all slots are released.

mod errors;
mod fairness;
mod interleavings;
mod load;
mod permits;
mod queue;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use outbound_tests::recorder::{Recorder, Slots};
use outbound_tests::secret;
use outbound_tests::server::ScriptedServer;
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::{BoxError, Error, Outbound};

use crate::support::{Body, Stack};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn with(options: impl FnOnce(OutboundBuilder) -> OutboundBuilder) -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    (options(Outbound::builder().observer(recorder.clone())).build(), recorder)
}

/// hyper-util's client without timers of its own, so that only the limits move the clock.
fn stack<C: Connect + Clone>(outbound: &Outbound, connector: C) -> Stack<C> {
    outbound.attempt_layer().layer(Client::builder(TokioExecutor::new()).build(connector))
}

fn get(server: &ScriptedServer, host: &str) -> Request<Body> {
    secret::request(&server.uri_with("http", host, "/"), Body::default())
}

/// A request for a service without a network.
fn to(host: &str) -> Request<Body> {
    secret::request(&format!("http://{host}.test/").parse().unwrap(), Body::default())
}

/// A service that responds after this time.
fn slow(
    outbound: &Outbound,
    takes: Duration,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Error> + Unpin + Send + use<>>,
    Error = Error,
    Future: Send,
> + Clone
+ Send
+ use<> {
    outbound.attempt_layer().layer(tower::service_fn(move |_| async move {
        tokio::time::sleep(takes).await;
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from_static(b"ok"))))
    }))
}

/// Sends, and reads the whole response.
async fn whole<S, R>(service: S, request: Request<Body>) -> Result<(), S::Error>
where
    S: Service<Request<Body>, Response = Response<R>>,
    R: http_body::Body<Error = S::Error>,
{
    let response = service.oneshot(request).await?;
    response.into_body().collect().await?;
    Ok(())
}

/// Slots held, the most ever held, and waiting requests.
fn slots(recorder: &Recorder) -> (i64, i64, i64) {
    let Slots { held, most, waiting, .. } = recorder.slots();
    (held, most, waiting)
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets all tasks run until they wait.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
