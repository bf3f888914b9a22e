//! A fast HTTP/1 server that closes connections as real servers do, after a random number of requests.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::http1;
use crate::gate::Gate;

/// How a connection is closed after its last request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// The last response says `connection: close`.
    Announced,
    /// FIN directly after the last response, without `connection: close`.
    Silent,
    /// FIN after this idle time; earlier requests are served.
    Idle(Duration),
}

/// A request that was read whole and answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Served {
    /// The client's port, which identifies the connection while it is open.
    pub peer_port: u16,
    /// The number of requests that the connection had served, including this request.
    pub use_number: usize,
    /// The request target.
    pub target: String,
}

/// How a [`LoadServer`] closes connections.
#[derive(Clone, Debug)]
pub struct LoadServerBuilder {
    seed: u64,
    uses: RangeInclusive<usize>,
    closings: Vec<Closing>,
}

/// Answers each request with the JSON `{"peer_port":P,"use_number":N}`. Dropping the server stops it.
#[derive(Debug)]
pub struct LoadServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    plan: LoadServerBuilder,
    stopped: Gate,
    accepted: AtomicUsize,
    open: AtomicUsize,
    peak: AtomicUsize,
    served: Mutex<Vec<Served>>,
}

impl LoadServer {
    /// 1 to 50 requests a connection, closed in the first two ways; see the builder's options.
    #[must_use]
    pub fn builder() -> LoadServerBuilder {
        LoadServerBuilder { seed: 1, uses: 1..=50, closings: vec![Closing::Announced, Closing::Silent] }
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and the path.
    #[must_use]
    pub fn uri(&self, path: &str) -> http::Uri {
        let uri =
            http::Uri::builder().scheme("http").authority(self.address.to_string()).path_and_query(path);
        uri.build().unwrap_or_else(|error| panic!("{path:?} is not a path: {error}"))
    }

    /// The number of accepted connections.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// The number of open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// The largest number of connections open at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::Relaxed)
    }

    /// Every request that was read whole, in the order of the answers.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        self.shared.served().clone()
    }

    /// Refuses new connections and closes the open ones.
    pub fn stop(&self) {
        self.shared.stopped.open();
    }
}

impl Drop for LoadServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl LoadServerBuilder {
    /// The seed of the random numbers. With one seed, connection n has the same plan in every run.
    #[must_use]
    pub fn seed(self, seed: u64) -> LoadServerBuilder {
        LoadServerBuilder { seed, ..self }
    }

    /// The number of requests per connection.
    #[must_use]
    pub fn uses(self, uses: RangeInclusive<usize>) -> LoadServerBuilder {
        LoadServerBuilder { uses, ..self }
    }

    /// The ways to close, equally likely. With an empty list the server closes no connection.
    #[must_use]
    pub fn closings(self, closings: impl Into<Vec<Closing>>) -> LoadServerBuilder {
        LoadServerBuilder { closings: closings.into(), ..self }
    }

    /// Listens on loopback TCP.
    pub async fn start(self) -> io::Result<LoadServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            plan: self,
            stopped: Gate::new(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            served: Mutex::default(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(LoadServer { address, shared })
    }

    /// The number of requests of connection `index`, and how it closes afterwards.
    fn plan(&self, index: usize) -> (usize, Option<Closing>) {
        let mut random = self.seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let span = self.uses.end().saturating_sub(*self.uses.start()) + 1;
        let uses = self.uses.start() + next(&mut random) as usize % span;
        let ways = self.closings.len().max(1);
        (uses, self.closings.get(next(&mut random) as usize % ways).copied())
    }
}

/// splitmix64: small, and random enough for this purpose.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) >> 1
}

impl Shared {
    fn served(&self) -> std::sync::MutexGuard<'_, Vec<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a connection as open until dropped.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Open {
        let open = shared.open.fetch_add(1, Ordering::Relaxed) + 1;
        shared.peak.fetch_max(open, Ordering::Relaxed);
        Open(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.stopped.wait() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else { continue };
        let index = shared.accepted.fetch_add(1, Ordering::Relaxed);
        let open = Open::new(Arc::clone(&shared));
        tokio::spawn(async move {
            tokio::select! {
                // The client may close in any way.
                _ = serve(stream, peer.port(), index, &open.0) => {}
                () = open.0.stopped.wait() => {}
            }
        });
    }
}

async fn serve(mut stream: TcpStream, peer_port: u16, index: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (uses, closing) = shared.plan.plan(index);
    let mut buffer = Vec::with_capacity(4 * 1024);
    for use_number in 1.. {
        let patience = match closing {
            Some(Closing::Idle(limit)) if use_number > uses => Some(limit),
            _ => None,
        };
        let Some(target) = request(&mut stream, &mut buffer, patience).await? else { break };
        shared.served().push(Served { peer_port, use_number, target });
        let last = use_number == uses;
        let announce = match last && closing == Some(Closing::Announced) {
            true => "connection: close\r\n",
            false => "",
        };
        let body = format!("{{\"peer_port\":{peer_port},\"use_number\":{use_number}}}");
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{announce}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(response.as_bytes()).await?;
        if last && matches!(closing, Some(Closing::Announced | Closing::Silent)) {
            break;
        }
    }
    stream.shutdown().await
}

/// Reads one request and returns its target; `None` if the peer closed, or sent nothing within `patience`.
async fn request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    patience: Option<Duration>,
) -> io::Result<Option<String>> {
    loop {
        if let Some((target, end)) = parse(buffer) {
            buffer.drain(..end);
            return Ok(Some(target));
        }
        let count = match patience.filter(|_| buffer.is_empty()) {
            None => stream.read_buf(buffer).await?,
            Some(limit) => match tokio::time::timeout(limit, stream.read_buf(buffer)).await {
                Ok(read) => read?,
                Err(_) => return Ok(None),
            },
        };
        if count == 0 {
            return Ok(None);
        }
    }
}

fn parse(buffer: &[u8]) -> Option<(String, usize)> {
    let head_end = http1::head_end(buffer, 0)?;
    let head = &buffer[..head_end];
    let end = http1::body_end(buffer, head_end, http1::framing(head))?;
    let target = String::from_utf8_lossy(head).split(' ').nth(1).unwrap_or_default().to_owned();
    Some((target, end))
}
