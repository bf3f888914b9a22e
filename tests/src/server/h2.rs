//! An HTTP/2 server on hyper.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fmt, io};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Incoming};
use hyper::rt;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::gate::Gate;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;
type Handler = dyn Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync;

/// A server for HTTP/2 by prior knowledge, or by ALPN inside TLS. Dropping the server stops it.
pub struct H2Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// The options of an [`H2Server`].
#[derive(Clone, Debug, Default)]
pub struct H2ServerBuilder {
    tls: Option<Arc<ServerConfig>>,
    max_concurrent_streams: Option<u32>,
}

struct Shared {
    handler: Box<Handler>,
    options: H2ServerBuilder,
    accepted: AtomicUsize,
    stopped: Gate,
    /// Counts the calls of `graceful_shutdown`; each connection watches for the next one.
    goaway: watch::Sender<usize>,
}

impl H2Server {
    /// Plain TCP, with hyper's defaults; see the builder's options.
    #[must_use]
    pub fn builder() -> H2ServerBuilder {
        H2ServerBuilder::default()
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and the path, or `https` with TLS.
    #[must_use]
    pub fn uri(&self, path: &str) -> http::Uri {
        let scheme = if self.shared.options.tls.is_some() { "https" } else { "http" };
        let uri =
            http::Uri::builder().scheme(scheme).authority(self.address.to_string()).path_and_query(path);
        uri.build().unwrap_or_else(|error| panic!("{path:?} is not a path: {error}"))
    }

    /// The number of accepted connections, including those with a failed handshake.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Sends GOAWAY on every open connection, which closes after its last stream. New connections are accepted.
    pub fn graceful_shutdown(&self) {
        self.shared.goaway.send_modify(|times| *times += 1);
    }

    /// Refuses new connections and drops the open ones.
    pub fn stop(&self) {
        self.shared.stopped.open();
    }
}

impl Drop for H2Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for H2Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H2Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl H2ServerBuilder {
    /// Inside TLS, which should offer `h2`.
    #[must_use]
    pub fn tls(self, config: Arc<ServerConfig>) -> H2ServerBuilder {
        H2ServerBuilder { tls: Some(config), ..self }
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    #[must_use]
    pub fn max_concurrent_streams(self, streams: u32) -> H2ServerBuilder {
        H2ServerBuilder { max_concurrent_streams: Some(streams), ..self }
    }

    /// Listens on loopback TCP and answers each request with what `handler` returns.
    pub async fn start<F, Fut, B>(self, handler: F) -> io::Result<H2Server>
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let handler = move |request| -> Pin<Box<dyn Future<Output = Answer> + Send>> {
            let answer = handler(request);
            Box::pin(async move { answer.await.map(|body| body.map_err(Into::into).boxed_unsync()) })
        };
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            options: self,
            accepted: AtomicUsize::new(0),
            stopped: Gate::new(),
            goaway: watch::Sender::new(0),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(H2Server { address, shared })
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.stopped.wait() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        // Subscribed before the handshake, so that a GOAWAY during it is not missed.
        let goaway = shared.goaway.subscribe();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                () = handshake(stream, goaway, &shared) => {}
                () = shared.stopped.wait() => {}
            }
        });
    }
}

async fn handshake(stream: TcpStream, goaway: watch::Receiver<usize>, shared: &Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    match &shared.options.tls {
        None => serve(TokioIo::new(stream), goaway, shared).await,
        Some(config) => {
            // The client reports the failed handshake.
            if let Ok(stream) = TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                serve(TokioIo::new(stream), goaway, shared).await;
            }
        }
    }
}

async fn serve<I>(io: I, mut goaway: watch::Receiver<usize>, shared: &Arc<Shared>)
where
    I: rt::Read + rt::Write + Unpin + Send + 'static,
{
    let handler = Arc::clone(shared);
    let service = hyper::service::service_fn(move |request| {
        let answer = (handler.handler)(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    if let Some(streams) = shared.options.max_concurrent_streams {
        builder.max_concurrent_streams(streams);
    }
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        // A response that ends after the call must also follow the GOAWAY on the wire.
        biased;
        // The sender lives as long as `shared`.
        _ = goaway.changed() => connection.as_mut().graceful_shutdown(),
        _ = connection.as_mut() => return,
    }
    // The client may close in any way.
    let _ = connection.await;
}
