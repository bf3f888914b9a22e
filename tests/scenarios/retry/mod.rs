//! Retries: what is sent again and what is not, in which order everything is given back, and what is told of it.

mod alive;
mod body;
mod budget;
mod cancel;
mod dead_pool;
mod decisions;
mod early;
mod kinds;
mod ledger;
mod let_go;
mod order;
mod untouched;

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

/// The body that these scenarios send.
type Upload = UnsyncBoxBody<Bytes, BoxError>;
type Stack<C> = Retry<Observe<InFlightLimit<Client<C, ObserveRequestBody<LeasedBody<Upload>>>>>>;
type Answer = Response<ObserveBody<InFlightLimitBody<hyper::body::Incoming>>>;
type Told = Arc<Mutex<Vec<String>>>;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

/// A stack, what is recorded of it, and what the retry layer has told, a line each.
struct Bench {
    outbound: Outbound,
    recorder: Recorder,
    told: Told,
}

impl Bench {
    fn new() -> Self {
        let (recorder, told) = (Recorder::new(), Arc::new(Mutex::new(Vec::new())));
        let lines = told.clone();
        let teller = move |event: &Event<'_>| lines.lock().unwrap().extend(line(event));
        let outbound = Outbound::builder().observer(recorder.clone()).observer(teller).build();
        Self { outbound, recorder, told }
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

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
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

fn line(event: &Event<'_>) -> Option<String> {
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
        Event::BackoffEnded { .. } => "backoff over".to_owned(),
        _ => return None,
    })
}

fn upload(text: &'static str) -> Upload {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

fn get(uri: http::Uri) -> Request<Upload> {
    Request::get(uri).body(upload("")).unwrap()
}

fn post(uri: http::Uri, body: Upload) -> Request<Upload> {
    Request::post(uri).body(body).unwrap()
}

async fn send<C>(client: &Stack<C>, request: Request<Upload>) -> Result<Answer, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    client.clone().oneshot(request).await
}

/// Sends, and reads the whole body.
async fn read<C>(client: &Stack<C>, request: Request<Upload>) -> Result<(u16, Bytes), Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let response = send(client, request).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
