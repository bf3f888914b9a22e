//! Resets under load.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::pool::{Pool, Reset};
use tower_outbound::{BoxError, Outbound};

use crate::certs::Certs;
use crate::server::{H2Server, Script, ScriptedServer};

/// The threads of the callers' runtime.
const THREADS: usize = 4;
const WORKERS: usize = 32;
/// How long a call may take.
const WATCHDOG: Duration = Duration::from_secs(10);
/// How long a caller that reads late has the response before.
const LATE: Duration = Duration::from_micros(500);
/// The body of an answer: no socket buffer keeps it from the caller, and no head brings it along.
const BODY: usize = 24 << 10;

/// How the peer is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1 in plain text.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// HTTP/1 in TLS.
    Http1Tls,
    /// HTTP/2 in TLS.
    Http2Tls,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 4] = [Protocol::Http1, Protocol::Http2, Protocol::Http1Tls, Protocol::Http2Tls];
}

/// Whose pool is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolOf {
    /// The pool of this crate. Nothing is retried.
    This,
    /// hyper-util's, below all layers: a request that meets the end of its connection is not sent, and is retried.
    HyperUtil,
}

impl PoolOf {
    /// Requests between two resets. Two retries may meet two resets in hyper-util's pool.
    const fn between(self) -> usize {
        match self {
            PoolOf::This => 4,
            PoolOf::HyperUtil => 100,
        }
    }
}

/// What became of the requests.
#[derive(Clone, Debug)]
pub struct Resets {
    /// Whose pool.
    pub pool: PoolOf,
    /// The protocol.
    pub protocol: Protocol,
    /// The number of resets.
    pub resets: usize,
    /// Connections that the resets have closed, or left to finish.
    pub closed: usize,
    /// Requests that were sent.
    pub requests: usize,
    /// Requests that failed, with the first error.
    pub failed: usize,
    /// The first error.
    pub error: Option<String>,
    /// Requests without an end in time.
    pub unanswered: usize,
    /// How long all of it took.
    pub took: Duration,
}

impl Resets {
    /// Whether no request suffered.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.failed == 0 && self.unanswered == 0 && self.closed > 0
    }
}

impl fmt::Display for Resets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resets { pool, protocol, resets, closed, requests, failed, error, unanswered, took } = self;
        write!(
            f,
            "resets: {pool:?} {protocol:?}: {resets} in {took:.1?}, which took {closed} connections from {requests} requests: {failed} \
             failed, {unanswered} unanswered"
        )?;
        error.as_ref().map_or(Ok(()), |error| write!(f, "; {error}"))
    }
}

/// A server, which stops when it is dropped.
enum Server {
    Http1(ScriptedServer),
    Http2(H2Server),
}

impl Server {
    async fn start(protocol: Protocol, certs: &Certs) -> io::Result<Server> {
        let body = Bytes::from(vec![b'x'; BODY]);
        let tls = |alpn| certs.server_config(&[alpn]);
        match protocol {
            Protocol::Http1 | Protocol::Http1Tls => {
                let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n").into_bytes();
                answer.extend_from_slice(&body);
                let script = if protocol == Protocol::Http1 {
                    Script::new()
                } else {
                    Script::new().tls(tls("http/1.1"))
                };
                let script = script.read_request().write(answer).repeat();
                Ok(Server::Http1(ScriptedServer::tcp(script).await?))
            }
            Protocol::Http2 | Protocol::Http2Tls => {
                let handler = move |_| std::future::ready(Response::new(Full::new(body.clone())));
                let server = H2Server::builder();
                let server = if protocol == Protocol::Http2 { server } else { server.tls(tls("h2")) };
                Ok(Server::Http2(server.start(handler).await?))
            }
        }
    }

    fn uri(&self, tls: bool) -> Uri {
        let scheme = if tls { "https" } else { "http" };
        match self {
            Server::Http1(server) => server.uri_with(scheme, "localhost", "/"),
            Server::Http2(server) => {
                format!("{scheme}://localhost:{}/", server.address().port()).parse().expect("a URI")
            }
        }
    }
}

/// What the workers count.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    requests: AtomicUsize,
    failed: AtomicUsize,
    unanswered: AtomicUsize,
    error: std::sync::Mutex<Option<String>>,
}

/// Resets a pool as often, while 32 workers send requests, of which half read their responses late.
///
/// # Errors
/// If the peer cannot listen.
pub fn resets(pool: PoolOf, protocol: Protocol, resets: usize) -> io::Result<Resets> {
    let peers = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let certs = Certs::new("localhost");
    let server = peers.block_on(Server::start(protocol, &certs))?;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let report = run(pool, protocol, resets, &server, &certs, &runtime);
    drop(server);
    peers.shutdown_background();
    runtime.shutdown_background();
    Ok(report)
}

fn run(
    pool: PoolOf,
    protocol: Protocol,
    resets: usize,
    server: &Server,
    certs: &Certs,
    runtime: &Runtime,
) -> Resets {
    let (http2, tls) = match protocol {
        Protocol::Http1 => (false, false),
        Protocol::Http2 => (true, false),
        Protocol::Http1Tls => (false, true),
        Protocol::Http2Tls => (true, true),
    };
    let uri = server.uri(tls);
    let outbound = Outbound::new();
    let https = HttpsConnectorBuilder::new().with_tls_config(certs.client_config(&[])).https_or_http();
    let https = match http2 {
        true => https.enable_http2().wrap_connector(outbound.http_connector()),
        false => https.enable_http1().wrap_connector(outbound.http_connector()),
    };
    let connector = outbound.connector(https);
    let between = pool.between();
    let tally = Arc::<Tally>::default();
    let start = Instant::now();
    let closed = match pool {
        PoolOf::This => {
            let pool = Pool::builder().http2_only(http2).build(connector);
            let client = outbound.attempt_layer().layer(pool.clone());
            runtime.block_on(load(client, uri, &tally, (resets, between), move || pool.reset()))
        }
        PoolOf::HyperUtil => {
            let client = Client::builder(TokioExecutor::new())
                .http2_only(http2)
                .retry_canceled_requests(false)
                .build(connector);
            let client = outbound.layer().layer(client);
            runtime.block_on(load(client, uri, &tally, (resets, between), move || outbound.reset()))
        }
    };
    Resets {
        pool,
        protocol,
        resets,
        closed,
        requests: tally.requests.load(Ordering::Relaxed),
        failed: tally.failed.load(Ordering::Relaxed),
        error: tally.error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
        unanswered: tally.unanswered.load(Ordering::Relaxed),
        took: start.elapsed(),
    }
}

/// Returns how many connections the resets have taken.
async fn load<S, B>(
    client: S,
    uri: Uri,
    tally: &Arc<Tally>,
    (resets, between): (usize, usize),
    reset: impl Fn() -> Reset + Send + 'static,
) -> usize
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = tower_outbound::Error>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Error = tower_outbound::Error> + Send + 'static,
    B::Data: Send,
{
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(work(client.clone(), uri.clone(), Arc::clone(tally), worker % 2 == 0));
    }
    let counted = Arc::clone(tally);
    let resetting = async move {
        let mut closed = 0;
        for number in 0..resets {
            while counted.requests.load(Ordering::Relaxed) < number * between {
                tokio::task::yield_now().await;
            }
            let reset = reset();
            closed += reset.closed + reset.draining;
        }
        closed
    };
    let closed = tokio::spawn(resetting).await.expect("a reset does not panic");
    tally.over.store(true, Ordering::Relaxed);
    workers.join_all().await;
    closed
}

async fn work<S, B>(client: S, uri: Uri, tally: Arc<Tally>, late: bool)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = tower_outbound::Error> + Clone,
    B: http_body::Body<Error = tower_outbound::Error>,
{
    while !tally.over.load(Ordering::Relaxed) {
        let call = async {
            let mut request = Request::new(Empty::new());
            *request.uri_mut() = uri.clone();
            let response = client.clone().oneshot(request).await?;
            if late {
                sleep(LATE).await;
            }
            let body = response.into_body().collect().await?.to_bytes();
            if body.len() == BODY { Ok(()) } else { Err(BoxError::from("a part of the body is missing")) }
        };
        match timeout(WATCHDOG, call).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = tally.error.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                first.get_or_insert_with(|| format!("{error:?}"));
            }
            Err(_) => {
                tally.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
        tally.requests.fetch_add(1, Ordering::Relaxed);
    }
}
