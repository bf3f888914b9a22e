//! Retries: which requests are retried, in which order resources are released, and which events report it.

mod body;
mod body_lifetime;
mod budget;
mod cancel;
mod connect_only;
mod counted_client;
mod dead_pool;
mod decisions;
mod early_response;
mod kinds;
mod ledger;
mod order;
mod pass_through;
mod unpolled;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use outbound_tests::recorder::Recorder;
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::limit::{InFlightLimit, InFlightLimitBody};
use tower_outbound::observe::{Observe, ObserveBody, ObserveRequestBody};
use tower_outbound::retry::{LeasedBody, Retry, RetryLayer};
use tower_outbound::{BoxError, Error, Event, Outbound};

/// The request body of these scenarios.
type RequestBody = UnsyncBoxBody<Bytes, BoxError>;
type Stack<C> = Retry<Observe<InFlightLimit<Client<C, ObserveRequestBody<LeasedBody<RequestBody>>>>>>;
type StackResponse = Response<ObserveBody<InFlightLimitBody<hyper::body::Incoming>>>;
type EventLines = Arc<Mutex<Vec<String>>>;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

/// A stack, a recorder of its events, and the events of the retry layer as lines.
struct Fixture {
    outbound: Outbound,
    recorder: Recorder,
    events: EventLines,
}

impl Fixture {
    fn new() -> Self {
        let (recorder, events) = (Recorder::new(), Arc::new(Mutex::new(Vec::new())));
        let lines = events.clone();
        let observer = move |event: &Event<'_>| lines.lock().unwrap().extend(event_line(event));
        let outbound = Outbound::builder().observer(recorder.clone()).observer(observer).build();
        Self { outbound, recorder, events }
    }

    fn layer(&self) -> RetryLayer {
        self.outbound.retry_layer()
    }

    fn stack<C: Connect + Clone>(&self, connector: C, layer: &RetryLayer) -> Stack<C> {
        self.stack_of(connector, layer, false)
    }

    fn stack_of<C: Connect + Clone>(&self, connector: C, layer: &RetryLayer, http2: bool) -> Stack<C> {
        stack_on(&self.outbound, connector, layer, http2)
    }

    fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }
}

fn stack_on<C: Connect + Clone>(
    outbound: &Outbound,
    connector: C,
    layer: &RetryLayer,
    http2: bool,
) -> Stack<C> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .retry_canceled_requests(false)
        .build(connector);
    layer.layer(outbound.attempt_layer().layer(client))
}

/// One line for each event of a call; `None` for other events.
fn event_line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::CallStarted { .. } => "call".to_owned(),
        Event::CallEnded { outcome, .. } => match outcome {
            tower_outbound::Outcome::Ok => "call ok".to_owned(),
            tower_outbound::Outcome::Cancelled { phase, .. } => format!("call cancelled in {phase}"),
            tower_outbound::Outcome::Failed(failure) => format!("call {}", failure.kind()),
            other => format!("call {other:?}"),
        },
        Event::AttemptStarted { attempt, .. } => format!("attempt {}", attempt.ordinal()),
        Event::RetryDecided { reason, decision, .. } => match decision {
            Ok(_) => format!("retry {reason}"),
            Err(limit) => format!("no retry {reason}: {limit}"),
        },
        Event::Released { release, .. } => format!("released {release}"),
        Event::BackoffStarted { .. } => "backoff".to_owned(),
        Event::BackoffEnded { .. } => "backoff ended".to_owned(),
        _ => return None,
    })
}

fn upload(text: &'static str) -> RequestBody {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

fn get(uri: http::Uri) -> Request<RequestBody> {
    Request::get(uri).body(upload("")).unwrap()
}

fn post(uri: http::Uri, body: RequestBody) -> Request<RequestBody> {
    Request::post(uri).body(body).unwrap()
}

async fn send<C>(client: &Stack<C>, request: Request<RequestBody>) -> Result<StackResponse, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    client.clone().oneshot(request).await
}

/// Sends a request and reads the whole response body.
async fn fetch<C>(client: &Stack<C>, request: Request<RequestBody>) -> Result<(u16, Bytes), Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let response = send(client, request).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
