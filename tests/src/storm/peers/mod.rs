//! The peers, on a runtime of their own.

mod accept;
mod held;
mod http1;
mod http2;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::Instant;

use self::held::Held;

/// How long idle connections may take to close.
const PATIENCE: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_micros(50);

/// Where the peers listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) http1: SocketAddr,
    pub(super) http2: SocketAddr,
    /// HTTP/2, for calls that spoil their connection for others.
    pub(super) http2_alone: SocketAddr,
    /// No protocol at all.
    pub(super) accept: SocketAddr,
}

/// The peers. They stop when they are dropped.
pub(super) struct Peers {
    addresses: Addresses,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

/// What the connections of the peers share.
struct Shared {
    seed: u64,
    accepted: AtomicUsize,
    /// Sockets of accepted connections.
    open: AtomicUsize,
    /// Connections without a request.
    idle: AtomicUsize,
    shut: watch::Sender<u64>,
    held: Held,
}

impl Peers {
    pub(super) fn start(seed: u64) -> io::Result<Peers> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let shared = Arc::new(Shared {
            seed,
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            shut: watch::Sender::new(0),
            held: Held::default(),
        });
        let listen = |serve| runtime.block_on(listen(Arc::clone(&shared), serve));
        let addresses = Addresses {
            http1: listen(Protocol::Http1)?,
            http2: listen(Protocol::Http2)?,
            http2_alone: listen(Protocol::Http2)?,
            accept: listen(Protocol::None)?,
        };
        Ok(Peers { addresses, shared, _runtime: runtime })
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The sockets of accepted connections.
    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Closes or resets every connection without a request, and waits until that is done.
    pub(super) fn shut_idle(&self) {
        self.shared.shut.send_modify(|times| *times += 1);
        let end = Instant::now() + PATIENCE;
        while self.shared.idle.load(Ordering::SeqCst) > 0 && Instant::now() < end {
            std::thread::sleep(MOMENT);
        }
    }
}

/// What a listener's connections speak.
#[derive(Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
    None,
}

async fn listen(shared: Arc<Shared>, protocol: Protocol) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            // accept fails if the connection is already reset.
            let Ok((tcp, _)) = listener.accept().await else { continue };
            let _ = tcp.set_nodelay(true);
            let open = Counted::new(&shared, |shared| &shared.open);
            tokio::spawn(serve(tcp, protocol, Arc::clone(&shared), open));
        }
    });
    Ok(address)
}

async fn serve(tcp: TcpStream, protocol: Protocol, shared: Arc<Shared>, open: Counted) {
    let random = shared.random();
    // The client may end the connection in any way.
    let _ = match protocol {
        Protocol::Http1 => http1::serve(tcp, random, &shared).await,
        Protocol::Http2 => http2::serve(tcp, random, &shared).await,
        Protocol::None => accept::serve(tcp, random).await,
    };
    // The socket is closed by now.
    drop(open);
}

impl Shared {
    /// The random numbers of the next connection.
    fn random(&self) -> fastrand::Rng {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed) as u64;
        fastrand::Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Counts a connection as idle until dropped.
    fn idle(self: &Arc<Self>) -> Counted {
        Counted::new(self, |shared| &shared.idle)
    }
}

/// Adds one to a count until dropped.
struct Counted(Arc<Shared>, fn(&Shared) -> &AtomicUsize);

impl Counted {
    fn new(shared: &Arc<Shared>, count: fn(&Shared) -> &AtomicUsize) -> Counted {
        count(shared).fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(shared), count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::SeqCst);
    }
}
