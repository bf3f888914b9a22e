//! The server of a cell. It logs the requests that it reads.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_outbound::BoxError;
use tower_outbound::connect::Protocol;

use crate::kinds::Kind;

/// The peer's host name.
pub(crate) const HOST: &str = "peer.test";

pub(crate) type Given = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Answered = Result<Response<Given>, BoxError>;
type Handler = dyn Fn(Request<Incoming>) -> BoxFuture<'static, Answered> + Send + Sync;

/// A request that the peer has read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    /// The number of its connection, from 1.
    pub(crate) connection: usize,
}

/// The reason why a request gets no response. An error of h2 resets the stream with its code.
#[derive(Debug)]
struct Refusal(BoxError);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the peer does not respond")
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Listens on loopback until it is dropped.
pub(crate) struct Peer {
    address: SocketAddr,
    tls: bool,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Box<Handler>,
    protocol: Protocol,
    acceptor: Option<TlsAcceptor>,
    seen: watch::Sender<Vec<Seen>>,
    accepted: AtomicUsize,
    open: watch::Sender<usize>,
    /// Opened to close the connections accepted so far.
    cut: Mutex<Gate>,
    shutdown: watch::Sender<usize>,
    stopped: Gate,
}

/// The body of a response.
pub(crate) fn body(text: impl Into<Bytes>) -> Given {
    http_body_util::Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A socket that listens, for a peer that starts later.
pub(crate) fn listen(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).expect("the port is free");
    listener.set_nonblocking(true).expect("a socket may be non-blocking");
    listener
}

impl Peer {
    pub(crate) fn start<F, Fut>(kind: &Kind, certs: &Certs, handler: F) -> Peer
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answered> + Send + 'static,
    {
        Peer::start_on(listen((Ipv4Addr::LOCALHOST, 0).into()), kind, certs, handler)
    }

    pub(crate) fn start_on<F, Fut>(listener: TcpListener, kind: &Kind, certs: &Certs, handler: F) -> Peer
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answered> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
        let address = listener.local_addr().expect("the socket is bound");
        let alpn = if kind.protocol == Protocol::Http2 { "h2" } else { "http/1.1" };
        let shared = Arc::new(Shared {
            handler: Box::new(move |request| Box::pin(handler(request))),
            protocol: kind.protocol,
            acceptor: kind.tls.then(|| TlsAcceptor::from(certs.server_config(&[alpn]))),
            seen: watch::Sender::default(),
            accepted: AtomicUsize::new(0),
            open: watch::Sender::new(0),
            cut: Mutex::default(),
            shutdown: watch::Sender::new(0),
            stopped: Gate::new(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Peer { address, tls: kind.tls, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        uri(self.tls, self.address, path)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// Returns once the peer has read the heads of this many requests.
    pub(crate) async fn has_seen(&self, requests: usize) {
        let mut seen = self.shared.seen.subscribe();
        seen.wait_for(|seen| seen.len() >= requests).await.expect("the peer runs");
    }

    /// Returns once this many connections are open.
    pub(crate) async fn has_open(&self, connections: usize) {
        let mut open = self.shared.open.subscribe();
        open.wait_for(|open| *open == connections).await.expect("the peer runs");
    }

    /// Closes every connection. New ones are accepted.
    pub(crate) async fn cut(&self) {
        std::mem::take(&mut *self.shared.cut.lock().unwrap()).open();
        self.has_open(0).await;
    }

    /// Accepts no further requests on the open connections. Sends GOAWAY on HTTP/2.
    pub(crate) fn shut_down_connections(&self) {
        self.shared.shutdown.send_modify(|times| *times += 1);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.stopped.open();
    }
}

pub(crate) fn uri(tls: bool, address: SocketAddr, path: &str) -> Uri {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{HOST}:{}{path}", address.port()).parse().expect("a path")
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shared.stopped.wait() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        shared.open.send_modify(|open| *open += 1);
        let (shared, cut) = (Arc::clone(&shared), shared.cut.lock().unwrap().clone());
        connections.spawn(async move {
            tokio::select! {
                () = handshake(stream, &shared, number) => {}
                () = cut.wait() => {}
            }
            shared.open.send_modify(|open| *open -= 1);
        });
    }
}

async fn handshake(stream: tokio::net::TcpStream, shared: &Arc<Shared>, number: usize) {
    match &shared.acceptor {
        None => serve(TokioIo::new(stream), shared, number).await,
        Some(acceptor) => {
            // The client reports a refused certificate.
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(TokioIo::new(stream), shared, number).await;
            }
        }
    }
}

async fn serve<I: Read + Write + Unpin + Send + 'static>(io: I, shared: &Arc<Shared>, number: usize) {
    let handler = Arc::clone(shared);
    let service = service_fn(move |request: Request<Incoming>| {
        let headers = request.headers().clone();
        let answer = (handler.handler)(request);
        handler.seen.send_modify(|seen| seen.push(Seen { headers, connection: number }));
        async move { answer.await.map_err(Refusal) }
    });
    let mut shutdown = shared.shutdown.subscribe();
    // How the client closes its connection is not checked.
    macro_rules! until_shutdown {
        ($connection:expr) => {{
            let mut connection = std::pin::pin!($connection);
            tokio::select! {
                _ = shutdown.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
                _ = connection.as_mut() => {}
            }
        }};
    }
    match shared.protocol {
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            until_shutdown!(builder.timer(TokioTimer::new()).serve_connection(io, service));
        }
        _ => until_shutdown!(http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service)),
    }
}
