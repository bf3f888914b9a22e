//! The caller: cold, warm and concurrent requests to the gateway, each with its own trace.

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
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
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
    /// The trace of the caller.
    pub(crate) trace: TraceId,
    /// The span of the caller, parent of the gateway's span.
    pub(crate) span: SpanId,
    /// Number of upstreams that serve it, and whether through the twin.
    pub(crate) upstreams: usize,
    pub(crate) by_twin: bool,
    /// The `traceparent` that each upstream received.
    pub(crate) seen: Vec<String>,
    /// Status of the gateway's response; `None` without a response.
    pub(crate) status: Option<StatusCode>,
}

/// Sends all requests. `concurrent` is the duration of the last stage.
pub(crate) async fn drive(gateway: SocketAddr, concurrent: Duration, progress: &ProgressBar) -> Traffic {
    let ticks = u64::try_from(concurrent.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
    let caller = Caller::new(gateway);
    let mut sent = Vec::new();
    progress.set_length((COLD.len() + WARM.len() + SIDES.len() * ROUND.len()) as u64 + ticks);

    progress.set_message("cold");
    for path in COLD {
        sent.push(caller.get(path).await);
        progress.inc(1);
    }
    let cold = sent[0].trace;

    progress.set_message("warm");
    for path in WARM {
        sent.push(caller.get(path).await);
        progress.inc(1);
    }
    let [warm, twin] = [sent[COLD.len()].trace, sent[COLD.len() + 1].trace];
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

/// A client without layers: the report is about the gateway's client.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client<HttpConnector, Empty<Bytes>>,
    gateway: SocketAddr,
}

impl Caller {
    pub(crate) fn new(gateway: SocketAddr) -> Caller {
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
        Caller { client, gateway }
    }

    /// Sends a request with a new trace, and reads the response to its end.
    pub(crate) async fn get(&self, path: &str) -> Sent {
        let (trace, span) =
            (RandomIdGenerator::default().new_trace_id(), RandomIdGenerator::default().new_span_id());
        let request = Request::get(format!("http://{}{path}", self.gateway))
            .header("traceparent", format!("00-{trace}-{span}-01"))
            .body(Empty::new())
            .expect("paths and ids are plain ASCII");
        let by_twin = path == TWIN;
        let upstreams = if by_twin { TWIN_ASKS } else { 1 };
        let mut sent = Sent { trace, span, upstreams, by_twin, seen: Vec::new(), status: None };
        if let Ok(response) = self.client.request(request).await {
            let (head, body) = response.into_parts();
            sent.status = Some(head.status);
            // The telemetry reports a body that failed.
            let _ = body.collect().await;
            let seen = head.headers.get_all(SEEN).into_iter().filter_map(|value| value.to_str().ok());
            sent.seen = seen.map(str::to_owned).collect();
        }
        sent
    }
}
