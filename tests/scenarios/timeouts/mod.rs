//! Timeouts: when each elapses, what the error and the events report, and that no task is left.

mod body;
mod connect;
mod deadline;
mod deadline_chain;
mod deadline_elapsed;
mod deadline_headers;
mod deadline_layer;
mod deadline_races;
mod deadline_stalls;
mod defaults;
mod grpc_deadline;
mod head;
pub(crate) mod http2;
mod operation;
mod settings;
mod silence;
mod write;

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::ScriptedServer;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::limit::{InFlightLimit, InFlightLimitBody};
use tower_outbound::observe::{Observe, ObserveBody, ObserveRequestBody};
use tower_outbound::timeouts::{TimeoutError, TimeoutKind, Timeouts};
use tower_outbound::{BoxError, Class, Error, Outbound};

/// The request body of these scenarios.
type Upload = UnsyncBoxBody<Bytes, BoxError>;
type Stack<C> = Observe<InFlightLimit<Client<C, ObserveRequestBody<Upload>>>>;
type Answer = Response<ObserveBody<InFlightLimitBody<hyper::body::Incoming>>>;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn with(timeouts: Timeouts) -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    (Outbound::builder().observer(recorder.clone()).timeouts(timeouts).build(), recorder)
}

fn stack<C: Connect + Clone>(outbound: &Outbound, connector: C, http2: bool) -> Stack<C> {
    // Without timers of its own, so that only the timeouts move the clock.
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build(connector);
    outbound.attempt_layer().layer(client)
}

fn nothing() -> Upload {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// `count` frames of `size` bytes, each after a pause.
fn frames(count: usize, size: usize, pause: Duration) -> Upload {
    let frames = stream::unfold(0, move |at| async move {
        if at == count {
            return None;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some((Ok(Frame::data(Bytes::from(vec![b'x'; size]))), at + 1))
    });
    UnsyncBoxBody::new(StreamBody::new(frames))
}

fn get(server: &ScriptedServer) -> Request<Upload> {
    secret::request(&server.uri("/"), nothing())
}

fn post(server: &ScriptedServer, body: Upload) -> Request<Upload> {
    let mut request = secret::request(&server.uri("/"), body);
    *request.method_mut() = http::Method::POST;
    request
}

async fn send<C>(client: &Stack<C>, request: Request<Upload>) -> Result<Answer, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    // Fails instead of hanging.
    tokio::time::timeout(100 * HOUR, client.clone().oneshot(request)).await.expect("the request hangs")
}

/// Sends, reads the whole response, and returns the error and the time until it.
async fn fail<C>(client: &Stack<C>, request: Request<Upload>) -> (Error, Duration)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let start = Instant::now();
    let error = match send(client, request).await {
        Ok(answer) => answer.into_body().collect().await.expect_err("a timeout elapses"),
        Err(error) => error,
    };
    (error, start.elapsed())
}

async fn succeed<C>(client: &Stack<C>, request: Request<Upload>) -> Duration
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let start = Instant::now();
    let answer = send(client, request).await.unwrap();
    answer.into_body().collect().await.unwrap();
    start.elapsed()
}

/// Checks what all timeouts of an attempt have in common.
#[track_caller]
fn check(error: &Error, kind: TimeoutKind, duration: Duration) {
    let timeout = error.source().unwrap().downcast_ref::<TimeoutError>().unwrap();
    assert_eq!((timeout.kind(), timeout.duration()), (kind, duration));
    assert_eq!(error.failure().class(), Some(Class::Timeout));
    let attempt = error.attempt().unwrap();
    assert!(attempt.is_ended());
}

/// Checks that every start has its end and that no task is left. Call it after everything else is dropped.
async fn nothing_left(recorder: &Recorder) {
    recorder.settled().await;
    // The recorder keeps the attempts and thereby the timers, whose tasks end within an hour.
    tokio::time::sleep(HOUR).await;
    no_task_left().await;
}

async fn no_task_left() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}
