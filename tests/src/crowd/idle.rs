//! What idle connections cost.

use std::fmt;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{Service as _, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::pool::Pool;
use tower_outbound::{BoxError, Outbound};

use super::peer::{Behaviour, Peer};

/// How long connections may take to close.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose connections they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The pool's, observed.
    Pool,
    /// hyper's, over the same connector, and kept in a list.
    Hyper,
}

/// What the connections cost.
#[derive(Clone, Debug)]
pub struct Idle {
    /// Whose they are.
    pub client: Client,
    /// Their number.
    pub connections: usize,
    /// Bytes of resident memory for each.
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
        self.client == Client::Hyper || (fast && self.closed == self.connections)
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
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(client, connections, uri, rest)).map_err(io::Error::other)
}

fn uri(address: &str) -> Uri {
    format!("http://{address}/").parse().expect("a URI")
}

async fn measure(client: Client, connections: usize, uri: Uri, rest: Duration) -> Result<Idle, BoxError> {
    let outbound = Outbound::builder().idle_timeout(Duration::ZERO).build();
    let connector = outbound.connector(outbound.http_connector());
    let mut report = Idle {
        client,
        connections,
        memory: 0,
        list: Duration::ZERO,
        reset: Duration::ZERO,
        closed: 0,
        busy: Duration::ZERO,
        rest,
    };
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri.clone();
    let before = resident()?;
    let mut calls = JoinSet::new();
    match client {
        Client::Hyper => {
            for _ in 0..connections {
                let (mut connector, uri) = (connector.clone(), uri.clone());
                let mut request = Request::new(Empty::<Bytes>::new());
                request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("peer"));
                calls.spawn(async move {
                    let io = connector.ready().await?.call(uri).await?;
                    let (mut sender, connection) = http1::handshake(io).await?;
                    tokio::spawn(connection);
                    sender.send_request(request).await?.into_body().collect().await?;
                    Ok::<_, BoxError>(sender)
                });
            }
            let kept = calls.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
            (report.memory, report.busy) = (per_connection(before, connections)?, idle_time(rest).await?);
            drop(kept);
        }
        Client::Pool => {
            let pool = Pool::builder()
                .max_connections_per_origin(connections)
                .max_idle_per_origin(connections)
                .idle_timeout(Duration::ZERO)
                .acquire_timeout(Duration::ZERO)
                .build(connector);
            let service = outbound.attempt_layer().layer(pool.clone());
            let mut calls = JoinSet::new();
            for _ in 0..connections {
                let call = service.clone().oneshot(request.clone());
                calls.spawn(async move { call.await?.into_body().collect().await.map(drop) });
            }
            calls.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
            (report.memory, report.busy) = (per_connection(before, connections)?, idle_time(rest).await?);
            let start = Instant::now();
            let listed = outbound.connections();
            report.list = start.elapsed();
            drop(listed);
            let start = Instant::now();
            report.closed = pool.reset().closed;
            report.reset = start.elapsed();
        }
    }
    let end = Instant::now() + PATIENCE;
    while !outbound.connections().is_empty() && Instant::now() < end {
        sleep(Duration::from_millis(1)).await;
    }
    Ok(report)
}

fn per_connection(before: u64, connections: usize) -> io::Result<u64> {
    Ok(resident()?.saturating_sub(before) / connections as u64)
}

/// The bytes of memory of this process.
fn resident() -> io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.map(|pages| pages * 4096).ok_or_else(|| io::Error::other("/proc/self/statm has no second number"))
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
