//! A server that can be killed, hung and made to reset.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::Body;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::Sockets;

/// Outside the range of ephemeral ports: a port that a client uses meanwhile could not be bound again.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Some ports are in use.
const TRIES: usize = 50;

/// What the peer does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Mode {
    Serves,
    /// It is gone, with all its connections.
    Killed,
    /// It reads requests, and does not answer.
    Hangs,
    /// It reads requests, and resets the connection.
    Resets,
    /// What it says is not HTTP. Its connections are gone before.
    Garbles,
}

/// Which connection a request is on, as a number of the peer's.
pub(super) type ConnectionId = u64;

/// Answers a request, of which it has a log.
pub(super) type Handler = Arc<
    dyn Fn(ConnectionId, Request<Incoming>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>>
        + Send
        + Sync,
>;

/// A server on a port that stays its own.
#[derive(Debug)]
pub(in super::super) struct Peer {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Peer {
    pub(super) async fn start(handler: Handler, sockets: Arc<Sockets>) -> io::Result<Self> {
        let mut tries = 0;
        let listener = loop {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => tries += 1,
            }
        };
        let address = listener.local_addr()?;
        let (mode, modes) = watch::channel(Mode::Serves);
        tokio::spawn(accept(listener, address, modes, handler, sockets));
        Ok(Self { address, mode })
    }

    pub(in super::super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in super::super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// Ends with the last handle of the peer.
async fn accept(
    first: TcpListener,
    address: SocketAddr,
    mut modes: watch::Receiver<Mode>,
    handler: Handler,
    sockets: Arc<Sockets>,
) {
    let mut listener = Some(first);
    let mut connections = JoinSet::new();
    let mut id = 0;
    loop {
        let mode = *modes.borrow_and_update();
        if matches!(mode, Mode::Killed | Mode::Garbles) {
            connections.shutdown().await;
        }
        if mode == Mode::Killed {
            listener = None;
            if modes.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            match TcpListener::bind(address).await {
                Ok(bound) => listener = Some(bound),
                // Connections of the last life still have the port.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
            continue;
        };
        loop {
            tokio::select! {
                changed = modes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                accepted = open.accept() => if let Ok((stream, _)) = accepted {
                    id += 1;
                    connections.spawn(serve(id, stream, modes.clone(), handler.clone(), Open::new(&sockets)));
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Counts a socket until it is dropped.
struct Open(Arc<Sockets>);

impl Open {
    fn new(sockets: &Arc<Sockets>) -> Self {
        sockets.open();
        Self(sockets.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn serve(id: u64, mut stream: TcpStream, modes: watch::Receiver<Mode>, handler: Handler, open: Open) {
    let _ = stream.set_nodelay(true);
    if *modes.borrow() == Mode::Garbles {
        // Not before the request: what comes unasked is another fault.
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        return;
    }
    let reset = Arc::new(Notify::new());
    // To reset it while hyper has the other handle.
    let Ok(std) = stream.into_std() else { return };
    let (Ok(handle), Ok(stream)) = (std.try_clone(), TcpStream::from_std(std)) else { return };
    let (begin, modes) = (reset.clone(), modes);
    let service = service_fn(move |request| {
        let (answer, begin, mode) = (handler.clone(), begin.clone(), *modes.borrow());
        async move {
            match mode {
                // Until the end of the connection.
                Mode::Hangs => {
                    swallow(request).await;
                    pending().await
                }
                Mode::Resets => {
                    swallow(request).await;
                    begin.notify_one();
                    pending().await
                }
                _ => Ok::<_, Infallible>(answer(id, request).await),
            }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        () = reset.notified() => {
            // RST at the close.
            let _ = SockRef::from(&handle).set_linger(Some(Duration::ZERO));
        }
    }
    drop(open);
}

/// Reads a request to its end.
async fn swallow(request: Request<Incoming>) {
    let _ = http_body_util::BodyExt::collect(request.into_body()).await;
}
