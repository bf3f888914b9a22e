//! The HTTP upstream: two ports, with slow responses, errors and closed connections.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::header::{CONNECTION, HeaderName};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use outbound_tests::certs::Certs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ClientConfig;

/// Its routes in axum's syntax, which is also that of `url.template`.
pub(crate) const PATHS: [&str; 8] =
    ["/fast", "/slow-head", "/slow-body", "/body/60k", "/body/3m", "/status/{code}", "/close", "/echo-trace"];

/// Response header with the received `traceparent`, for the caller to compare.
pub(crate) const SEEN: HeaderName = HeaderName::from_static("x-traceparent-seen");

const SLOW: Duration = Duration::from_millis(60);
const CHUNKS: usize = 6;

/// HTTP/1 without TLS on one port, HTTP/2 over TLS on another. It runs until the process ends.
pub(crate) struct Upstream {
    plain: u16,
    secure: u16,
    certs: Certs,
}

impl Upstream {
    /// Listens on two free ports.
    pub(crate) async fn start() -> io::Result<Upstream> {
        let certs = Certs::new("localhost");
        let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let secure = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let upstream =
            Upstream { plain: plain.local_addr()?.port(), secure: secure.local_addr()?.port(), certs };

        let tls = TlsAcceptor::from(upstream.certs.server_config(&["h2", "http/1.1"]));
        tokio::spawn(async move {
            // accept fails if the connection is already gone; the next one may succeed.
            loop {
                if let Ok(tcp) = accept(&plain).await {
                    tokio::spawn(serve(tcp, routes()));
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let Ok(tcp) = accept(&secure).await else { continue };
                let tls = tls.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(tcp).await {
                        serve(stream, routes()).await;
                    }
                });
            }
        });
        Ok(upstream)
    }

    /// Origin of the HTTP/1 port. Its host name differs from that of the other port, as metrics have no port by default.
    pub(crate) fn plain(&self) -> String {
        format!("http://127.0.0.1:{}", self.plain)
    }

    /// Origin of the HTTP/2 port.
    pub(crate) fn secure(&self) -> String {
        format!("https://localhost:{}", self.secure)
    }

    /// A TLS configuration that trusts its certificate.
    pub(crate) fn trust(&self) -> ClientConfig {
        self.certs.client_config(&[])
    }
}

/// The URI of a server without TLS.
pub(crate) fn uri(address: SocketAddr) -> Uri {
    let uri = Uri::builder().scheme("http").authority(address.to_string()).path_and_query("/").build();
    uri.expect("an address is an authority")
}

/// Accepts a connection and disables Nagle's algorithm, which would add the 40 ms of a delayed acknowledgement.
pub(crate) async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (tcp, _) = listener.accept().await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Makes the connection's task close the connection after this request.
#[derive(Clone, Default)]
struct Retire(Arc<Notify>);

/// Serves one connection until it closes.
pub(crate) async fn serve<I>(io: I, routes: Router)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let retire = Retire::default();
    let service = TowerToHyperService::new(routes.layer(Extension(retire.clone())));
    let server = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(server.serve_connection(TokioIo::new(io), service));
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            // Sends GOAWAY on HTTP/2, which has no `Connection: close`.
            () = retire.0.notified() => connection.as_mut().graceful_shutdown(),
        }
    }
}

/// The routes of one connection.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/fast", get("fast\n"))
        .route("/slow-head", get(slow_head))
        .route("/slow-body", get(slow_body))
        .route("/body/60k", get(Bytes::from_static(&[b'.'; 60_000])))
        .route("/body/3m", get(Bytes::from_static(&[b'.'; 3_000_000])))
        .route("/status/{code}", get(status))
        .route("/close", get(close))
        .route("/echo-trace", get(echo_trace))
        .layer(middleware::from_fn(show_trace))
}

async fn slow_head() -> &'static str {
    sleep(SLOW).await;
    "slow head\n"
}

async fn slow_body() -> Body {
    const CHUNK: Bytes = Bytes::from_static(&[b'.'; 10_000]);
    Body::from_stream(stream::unfold(CHUNKS, async |left| {
        let left = left.checked_sub(1)?;
        sleep(SLOW / CHUNKS as u32).await;
        Some((Ok::<_, Infallible>(CHUNK), left))
    }))
}

async fn status(Path(code): Path<u16>) -> StatusCode {
    StatusCode::from_u16(code).ok().filter(|code| !code.is_informational()).unwrap_or(StatusCode::BAD_REQUEST)
}

async fn close(Extension(retire): Extension<Retire>, request: Request) -> Response {
    retire.0.notify_one();
    match request.version() {
        axum::http::Version::HTTP_2 => "the last answer\n".into_response(),
        _ => ([(CONNECTION, "close")], "the last answer\n").into_response(),
    }
}

async fn echo_trace(headers: HeaderMap) -> String {
    let seen = headers.get("traceparent").and_then(|value| value.to_str().ok());
    format!("{}\n", seen.unwrap_or("none"))
}

async fn show_trace(request: Request, next: Next) -> Response {
    let seen = request.headers().get("traceparent").cloned();
    let mut response = next.run(request).await;
    if let Some(seen) = seen {
        response.headers_mut().insert(SEEN, seen);
    }
    response
}
