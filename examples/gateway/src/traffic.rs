//! The caller: cold, warm and concurrent requests to the gateway, each the root of its own trace.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use indicatif::ProgressBar;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::upstream::SEEN;

/// The request that the report shows.
const SHOWN: &str = "/tls/body/60k";
/// The request that goes through the twin.
const TWIN: &str = "/twin/tea";
/// Number of upstreams that the twin calls for it.
const TWIN_ASKS: usize = 2;
/// The cold stage: the first request to each upstream.
const COLD: [&str; 3] = [SHOWN, "/plain/body/60k", TWIN];
/// The requests that the report shows, on warm connections.
const WARM: [&str; 2] = [SHOWN, TWIN];
/// The prefixes of the HTTP upstream's ports.
const SIDES: [&str; 2] = ["/tls", "/plain"];
/// The paths of a round. The last closes the connection, so the next round needs another one.
const ROUND: [&str; 16] = [
    "/fast",
    "/body/60k",
    "/fast",
    "/slow-head",
    "/fast",
    "/body/60k",
    "/status/503",
    "/fast",
    "/slow-body",
    "/body/60k",
    "/echo-trace",
    "/body/3m",
    "/fast",
    "/status/404",
    "/body/60k",
    "/close",
];
const WORKERS: usize = 8;
/// Pause of a worker between two requests, as in a real caller.
const PAUSE: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(100);

/// The requests of all stages, in order.
pub(crate) struct Traffic {
    /// Every request.
    pub(crate) sent: Vec<Sent>,
    /// Trace of the shown request, cold.
    pub(crate) cold: TraceId,
    /// Trace of the shown request, warm.
    pub(crate) warm: TraceId,
    /// Trace of the request through the twin, warm.
    pub(crate) twin: TraceId,
    /// Number of requests in each stage.
    stages: [(&'static str, usize); 3],
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.stages.map(|(stage, count)| format!("{count} {stage}"));
        write!(f, "{} requests through the gateway: {}", self.sent.len(), stages.join(", "))
    }
}

/// One request and its response.
pub(crate) struct Sent {
    /// The caller's span: the root of the trace, and the parent of the gateway's span.
    pub(crate) span: SpanContext,
    /// Number of upstreams that serve it, and whether through the twin.
    pub(crate) upstreams: usize,
    pub(crate) by_twin: bool,
    /// The `traceparent` that each upstream received.
    pub(crate) seen: Vec<String>,
    /// Status of the gateway's response; `None` without a response.
    pub(crate) status: Option<StatusCode>,
}

/// Sends all requests. `concurrent` is the duration of the last stage.
pub(crate) async fn drive(caller: Caller, concurrent: Duration, progress: &ProgressBar) -> Traffic {
    let ticks = u64::try_from(concurrent.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
    let mut sent = Vec::new();
    progress.set_length((COLD.len() + WARM.len() + SIDES.len() * ROUND.len()) as u64 + ticks);

    progress.set_message("cold");
    for path in COLD {
        sent.push(caller.get(path).await);
        progress.inc(1);
    }
    let cold = sent[0].span.trace_id();

    progress.set_message("warm");
    for path in WARM {
        sent.push(caller.get(path).await);
        progress.inc(1);
    }
    let [warm, twin] = [COLD.len(), COLD.len() + 1].map(|at| sent[at].span.trace_id());
    for side in SIDES {
        for path in ROUND {
            sent.push(caller.get(&format!("{side}{path}")).await);
            progress.inc(1);
        }
    }

    progress.set_message("concurrent");
    let end = Instant::now() + concurrent;
    let mut workers: JoinSet<_> = (0..WORKERS).map(|number| worker(caller.clone(), number, end)).collect();
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            done = workers.join_next() => match done {
                Some(requests) => sent.extend(requests.expect("a worker does not panic")),
                None => break,
            },
            _ = tick.tick() => progress.inc(1),
        }
    }
    let warmed = WARM.len() + SIDES.len() * ROUND.len();
    let concurrent = sent.len() - COLD.len() - warmed;
    let stages = [("cold", COLD.len()), ("warm", warmed), ("concurrent", concurrent)];
    Traffic { sent, cold, warm, twin, stages }
}

async fn worker(caller: Caller, number: usize, end: Instant) -> Vec<Sent> {
    let side = SIDES[number % SIDES.len()];
    // A GOAWAY may refuse the request of another worker, so only the warm stage, without concurrency, sends it.
    let safe = ROUND.into_iter().filter(|path| (side, *path) != ("/tls", "/close"));
    let paths: Vec<_> = safe.map(|path| format!("{side}{path}")).chain([TWIN.to_owned()]).collect();
    // Each worker starts at another path, or all would close their connections at once.
    let round = paths.iter().cycle().skip(number * ROUND.len() / WORKERS);
    let mut sent = Vec::new();
    for path in round {
        if Instant::now() >= end {
            break;
        }
        sent.push(caller.get(path).await);
        sleep(PAUSE).await;
    }
    sent
}

/// A client without layers: the report is about the gateway's client. Its span is made by hand.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client<HttpConnector, Empty<Bytes>>,
    gateway: SocketAddr,
    tracer: SdkTracer,
}

impl Caller {
    pub(crate) fn new(gateway: SocketAddr, tracer: SdkTracer) -> Caller {
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
        Caller { client, gateway, tracer }
    }

    /// Sends a request with a new trace, and reads the response to its end.
    pub(crate) async fn get(&self, path: &str) -> Sent {
        let url = format!("http://{}{path}", self.gateway);
        let span = self.tracer.span_builder("GET").with_kind(SpanKind::Client).with_attributes([
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("server.address", self.gateway.ip().to_string()),
            KeyValue::new("server.port", i64::from(self.gateway.port())),
            KeyValue::new("url.full", url.clone()),
        ]);
        let root = Context::new();
        let context = root.with_span(span.start_with_context(&self.tracer, &root));
        let span = context.span();
        let mut request = Request::get(url).body(Empty::new()).expect("an address and a plain path");
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderInjector(request.headers_mut()));
        });

        let by_twin = path == TWIN;
        let upstreams = if by_twin { TWIN_ASKS } else { 1 };
        let span_context = span.span_context().clone();
        let mut sent = Sent { span: span_context, upstreams, by_twin, seen: Vec::new(), status: None };
        let failed = |error_type: String, description: String| {
            span.set_attribute(KeyValue::new("error.type", error_type));
            span.set_status(Status::error(description));
        };
        match self.client.request(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                sent.status = Some(head.status);
                let status = head.status.as_u16();
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
                if status >= 400 {
                    failed(status.to_string(), String::new());
                }
                if let Err(error) = body.collect().await {
                    failed("_OTHER".to_owned(), error.to_string());
                }
                let seen = head.headers.get_all(SEEN).into_iter().filter_map(|value| value.to_str().ok());
                sent.seen = seen.map(str::to_owned).collect();
            }
            Err(error) => failed("_OTHER".to_owned(), error.to_string()),
        }
        span.end();
        sent
    }
}
