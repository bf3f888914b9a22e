//! The server, on its own thread, with a log.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Identifies a request; the same for all its attempts.
pub(crate) const ID: HeaderName = HeaderName::from_static("x-request-id");

/// One in this many requests is refused.
const REFUSE_EVERY: u64 = 10;
const REFUSAL: Bytes = Bytes::from_static(&[b'.'; 2048]);
/// Pause between the head and the body of a refusal, as behind a proxy, or on a network where 2 KiB are two segments. A
/// client that drops the response at its head therefore drops it unread. Without the pause, on loopback, one read
/// returns both, and dropping costs nothing.
const MOMENT: Duration = Duration::from_millis(2);

/// What the server received.
#[derive(Debug, Default)]
pub(crate) struct Log {
    connections: u64,
    requests: u64,
    /// How often each request was processed, which a refused one is not.
    processed: HashMap<u64, u64>,
}

impl Log {
    /// Number of accepted connections.
    pub(crate) fn connections(&self) -> u64 {
        self.connections
    }

    /// Number of requests that were processed more than once.
    pub(crate) fn duplicates(&self) -> u64 {
        self.processed.values().filter(|times| **times > 1).count() as u64
    }

    /// Logs a request. Returns whether to refuse it.
    fn refuses(&mut self, id: u64) -> bool {
        self.requests += 1;
        let refused = self.requests.is_multiple_of(REFUSE_EVERY);
        if !refused {
            *self.processed.entry(id).or_default() += 1;
        }
        refused
    }
}

type Shared = Arc<Mutex<Log>>;

/// A server that runs until [`stop`](Self::stop).
pub(crate) struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<Log>>,
}

impl Server {
    /// Listens on a free port.
    pub(crate) fn start() -> io::Result<Server> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread =
            thread::Builder::new().name("server".to_owned()).spawn(move || serve(listener, stopped))?;
        Ok(Server { address, stop, thread })
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server and closes its connections. Returns the log.
    pub(crate) fn stop(self) -> io::Result<Log> {
        drop(self.stop);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the server has panicked")))
    }
}

fn serve(listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) -> io::Result<Log> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let log = Shared::default();
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        tokio::select! {
            () = accept(listener, &log) => {}
            _ = stopped => {}
        }
        Ok::<_, io::Error>(())
    })?;
    // Closes the connections.
    drop(runtime);
    Ok(std::mem::take(&mut *lock(&log)))
}

fn lock(log: &Shared) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, log: &Shared) {
    loop {
        // accept fails if the connection is already gone; the next one may succeed.
        let Ok((tcp, _)) = listener.accept().await else { continue };
        lock(log).connections += 1;
        // Nagle's algorithm would hold the body of a refusal back.
        let _ = tcp.set_nodelay(true);
        let log = log.clone();
        let service = service_fn(move |request| answer(request, log.clone()));
        // A client may close the connection during a refusal.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    log: Shared,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let id = request.headers().get(&ID).and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or_default();
    // Reads the whole request first, as most servers do.
    request.into_body().collect().await?;
    Ok(if lock(&log).refuses(id) { refusal() } else { Response::new(Full::from("done\n").boxed()) })
}

fn refusal() -> Response<BoxBody<Bytes, Infallible>> {
    let later = stream::once(async {
        sleep(MOMENT).await;
        Ok(Frame::data(REFUSAL))
    });
    let mut response = Response::new(StreamBody::new(later).boxed());
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response.headers_mut().insert(CONTENT_LENGTH, REFUSAL.len().into());
    response
}
