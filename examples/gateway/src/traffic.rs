//! The caller: cold, warm and concurrent requests to the gateway, each in a trace of its own.

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

/// The request that the report takes apart.
const SHOWN: &str = "/tls/body/60k";
/// The request that goes through the twin.
const TWIN: &str = "/twin/tea";
/// How many upstreams the twin asks for it.
const TWIN_ASKS: usize = 2;
/// The cold stage: the first request to each upstream.
const COLD: [&str; 3] = [SHOWN, "/plain/body/60k", TWIN];
/// The requests that are shown, warm.
const WARM: [&str; 2] = [SHOWN, TWIN];
/// The gateway's ways to the upstream.
const SIDES: [&str; 2] = ["/tls", "/plain"];
/// One round; it ends with the close, so that the next request goes to another connection.
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
/// What a worker waits between two requests, as a caller with work of its own does.
const PAUSE: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(100);

/// What was sent, in order of the stages.
pub(crate) struct Traffic {
    /// Every request.
    pub(crate) sent: Vec<Sent>,
    /// The request of the cold stage that is shown.
    pub(crate) cold: TraceId,
    /// The same request, warm.
    pub(crate) warm: TraceId,
    /// The one through the twin, warm.
    pub(crate) twin: TraceId,
    /// The requests of each stage.
    stages: [(&'static str, usize); 3],
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.stages.map(|(stage, count)| format!("{count} {stage}"));
        write!(f, "{} requests through the gateway: {}", self.sent.len(), stages.join(", "))
    }
}

/// One request, and what came back.
pub(crate) struct Sent {
    /// The caller's trace.
    pub(crate) trace: TraceId,
    /// The caller's span, the parent of the gateway's.
    pub(crate) span: SpanId,
    /// How many upstreams answer it, and whether the twin is before them.
    pub(crate) upstreams: usize,
    pub(crate) by_twin: bool,
    /// The `traceparent` that each of them saw.
    pub(crate) seen: Vec<String>,
    /// What the gateway answered, if it did.
    pub(crate) status: Option<StatusCode>,
}

/// Sends everything; the concurrent stage lasts as long as said.
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
    // A GOAWAY can refuse what another worker is just sending: only alone, in the warm stage, is it sure to
    // lose nothing.
    let safe = ROUND.into_iter().filter(|path| (side, *path) != ("/tls", "/close"));
    let paths: Vec<_> = safe.map(|path| format!("{side}{path}")).chain([TWIN.to_owned()]).collect();
    // Each starts elsewhere in the round: else all of them would close at once.
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

/// A plain client: what is observed is the gateway's.
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

    /// Sends it in a trace of its own, and reads the answer to its end.
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
            // A body that broke off is in the telemetry; the header had come before.
            let _ = body.collect().await;
            let seen = head.headers.get_all(SEEN).into_iter().filter_map(|value| value.to_str().ok());
            sent.seen = seen.map(str::to_owned).collect();
        }
        sent
    }
}
