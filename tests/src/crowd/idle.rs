//! What idle connections cost.

use std::fmt;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{Service as _, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::connect::{TcpConnector, Track};
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::pool::{Pool, PoolBuilder};
use tower_outbound::{BoxError, Outbound};

use super::peer::{Behaviour, Peer};

type Body = Empty<Bytes>;
type Tracked = Track<TcpConnector>;

/// How long connections may take to close.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose connections they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// hyper's, over the same connector, and kept in a list.
    Hyper,
    /// The pool's.
    Pool,
    /// The pool's, below the layers of an attempt.
    Observed,
}

/// What the connections cost.
#[derive(Clone, Debug)]
pub struct Idle {
    /// Whose they are.
    pub client: Client,
    /// Their number.
    pub connections: usize,
    /// Bytes of memory for each.
    pub memory: u64,
    /// How long `Outbound::connections` took.
    pub list: Duration,
    /// How long `Pool::reset` took.
    pub reset: Duration,
    /// How many of them the reset has closed.
    pub closed: usize,
    /// The processor's time while they were idle.
    pub busy: Duration,
    /// How long that was.
    pub rest: Duration,
}

impl Idle {
    /// Whether the pool is fast enough.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let fast = self.list < Duration::from_millis(10) && self.reset < Duration::from_millis(100);
        fast && self.closed == self.connections
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Idle { client, connections, memory, list, reset, closed, busy, rest } = self;
        write!(
            f,
            "idle: {client:?}: {connections} connections of {memory} bytes, connections() {list:.1?}, reset() {reset:.1?} closes \
             {closed}, {busy:?} of processor in {rest:?}"
        )
    }
}

/// Opens the connections to a peer, uses each once, and measures. `peer` is the command that starts a peer in a process of
/// its own and writes its address; without one it is in this process. The connections are idle for `rest`.
///
/// # Errors
/// If the peer cannot be started, or a request fails.
pub fn idle(client: Client, connections: usize, peer: Option<Command>, rest: Duration) -> io::Result<Idle> {
    let (uri, _peer) = match peer {
        None => {
            let peer = Peer::start(Behaviour::Together(connections))?;
            (uri(&peer.address().to_string()), Ok(peer))
        }
        Some(command) => {
            let process = Process::start(command)?;
            (uri(&process.address), Err(process))
        }
    };
    // On one thread, whose allocations are counted.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outbound = Outbound::builder().idle_timeout(Duration::ZERO).build();
    let mut opened = None;
    let counted = allocation_counter::measure(|| {
        opened = Some(runtime.block_on(open(client, connections, &outbound, &uri)));
    });
    let memory = u64::try_from(counted.bytes_current).unwrap_or_default() / connections as u64;
    let report = Idle {
        client,
        connections,
        memory,
        list: Duration::ZERO,
        reset: Duration::ZERO,
        closed: 0,
        busy: Duration::ZERO,
        rest,
    };
    let kept = opened.ok_or(io::ErrorKind::NotFound)?.map_err(io::Error::other)?;
    runtime.block_on(close(report, &outbound, kept))
}

fn uri(address: &str) -> Uri {
    format!("http://{address}/").parse().expect("a URI")
}

/// What keeps the connections open.
enum Kept {
    Hyper(Vec<http1::SendRequest<Body>>),
    Pool(Pool<Tracked, Body>),
    Observed(Pool<Tracked, ObserveRequestBody<Body>>),
}

fn options(connections: usize) -> PoolBuilder {
    Pool::builder()
        .max_connections_per_origin(connections)
        .max_idle_per_origin(connections)
        .idle_timeout(Duration::ZERO)
        .acquire_timeout(Duration::ZERO)
}

/// Opens the connections. Nothing else is left when it returns.
async fn open(client: Client, connections: usize, outbound: &Outbound, uri: &Uri) -> Result<Kept, BoxError> {
    let connector = outbound.connector(outbound.http_connector());
    match client {
        Client::Hyper => {
            let mut calls = JoinSet::new();
            for _ in 0..connections {
                let (mut connector, uri) = (connector.clone(), uri.clone());
                let mut request = Request::new(Body::new());
                request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("peer"));
                calls.spawn(async move {
                    let io = connector.ready().await?.call(uri).await?;
                    let (mut sender, connection) = http1::handshake(io).await?;
                    tokio::spawn(connection);
                    sender.send_request(request).await?.into_body().collect().await?;
                    Ok::<_, BoxError>(sender)
                });
            }
            Ok(Kept::Hyper(calls.join_all().await.into_iter().collect::<Result<_, _>>()?))
        }
        Client::Pool => {
            let pool = options(connections).build(connector);
            call(pool.clone(), connections, uri).await?;
            Ok(Kept::Pool(pool))
        }
        Client::Observed => {
            let pool = options(connections).build(connector);
            call(outbound.attempt_layer().layer(pool.clone()), connections, uri).await?;
            Ok(Kept::Observed(pool))
        }
    }
}

async fn call<S, B>(service: S, connections: usize, uri: &Uri) -> Result<(), BoxError>
where
    S: tower::Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut calls = JoinSet::new();
    for _ in 0..connections {
        let mut request = Request::new(Body::new());
        *request.uri_mut() = uri.clone();
        let call = service.clone().oneshot(request);
        calls.spawn(async move {
            let response = call.await.map_err(Into::into)?;
            response.into_body().collect().await.map(drop).map_err(Into::into)
        });
    }
    calls.join_all().await.into_iter().collect()
}

/// Leaves the connections alone, and closes them.
async fn close(mut report: Idle, outbound: &Outbound, kept: Kept) -> io::Result<Idle> {
    report.busy = idle_time(report.rest).await?;
    let start = Instant::now();
    let listed = outbound.connections();
    report.list = start.elapsed();
    drop(listed);
    let start = Instant::now();
    report.closed = match kept {
        Kept::Hyper(kept) => kept.into_iter().map(drop).count(),
        Kept::Pool(pool) => pool.reset().closed,
        Kept::Observed(pool) => pool.reset().closed,
    };
    report.reset = start.elapsed();
    let end = Instant::now() + PATIENCE;
    while !outbound.connections().is_empty() && Instant::now() < end {
        sleep(Duration::from_millis(1)).await;
    }
    Ok(report)
}

/// The processor's time while nothing happens.
async fn idle_time(rest: Duration) -> io::Result<Duration> {
    // The last answers are read, and the tasks at rest.
    sleep(Duration::from_millis(200)).await;
    let before = processor()?;
    sleep(rest).await;
    Ok(processor()?.saturating_sub(before))
}

fn processor() -> io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may have spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields.split(' ').skip(12).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// A peer in a process of its own, which ends when its input does.
struct Process {
    address: String,
    child: Child,
    _input: Option<ChildStdin>,
}

impl Process {
    fn start(mut command: Command) -> io::Result<Process> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        let input = child.stdin.take();
        Ok(Process { address: address.trim().to_owned(), child, _input: input })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, unless it hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the input ends.
pub(super) fn serve(connections: usize) -> io::Result<()> {
    let peer = Peer::start(Behaviour::Together(connections))?;
    println!("{}", peer.address());
    let mut line = String::new();
    io::stdin().read_line(&mut line).map(drop)
}
