//! A peer that speaks HTTP/1.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 4_096;

/// What the peer does with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behaviour {
    /// Answers after this time.
    After(Duration),
    /// Answers, and closes every other time at about the moment of the next request.
    CloseWhenTaken,
    /// Answers when so many requests wait for their answer.
    Together(usize),
}

/// Serves on a runtime of its own, until it is dropped.
pub(super) struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    behaviour: Behaviour,
    accepted: AtomicUsize,
    open: AtomicUsize,
    peak: AtomicUsize,
    waiting: AtomicUsize,
    together: tokio::sync::watch::Sender<bool>,
    requests: AtomicUsize,
}

impl Peer {
    pub(super) fn start(behaviour: Behaviour) -> io::Result<Peer> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let shared = Arc::new(Shared {
            behaviour,
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            together: tokio::sync::watch::Sender::new(false),
            requests: AtomicUsize::new(0),
        });
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(BACKLOG)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket.into())?
        };
        let address = listener.local_addr()?;
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Peer { address, shared, _runtime: runtime })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The most sockets at once.
    pub(super) fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// Requests that were read.
    pub(super) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

/// Counts a socket.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Open {
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(open, Ordering::SeqCst);
        Open(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let open = Open::new(&shared);
        tokio::spawn(async move {
            // The client may close in any way. The socket goes before the count.
            let _ = serve(tcp, &open.0).await;
            drop(open);
        });
    }
}

async fn serve(mut tcp: TcpStream, shared: &Shared) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(512);
    let mut random = fastrand::Rng::new();
    loop {
        buffer.clear();
        while !buffer.ends_with(b"\r\n\r\n") {
            if tcp.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        shared.requests.fetch_add(1, Ordering::SeqCst);
        match shared.behaviour {
            Behaviour::After(delay) => tokio::time::sleep(delay).await,
            Behaviour::CloseWhenTaken => {}
            Behaviour::Together(all) => {
                if shared.waiting.fetch_add(1, Ordering::SeqCst) + 1 >= all {
                    shared.together.send_replace(true);
                }
                // Cannot fail: `shared` holds the sender.
                let _ = shared.together.subscribe().wait_for(|together| *together).await;
            }
        }
        tcp.write_all(OK).await?;
        if matches!(shared.behaviour, Behaviour::CloseWhenTaken) && random.bool() {
            let moment = Instant::now() + Duration::from_nanos(random.u64(..60_000));
            while Instant::now() < moment {
                std::hint::spin_loop();
            }
            return Ok(());
        }
    }
}
