use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};
use hyper::rt::{Read, Write};
use tower_layer::Layer;
use tower_service::Service;

use super::handshake::open;
use super::head::request;
use crate::connect::phase::{PhaseFuture, PhaseLayer, PhaseTimer};
use crate::error::BoxError;

/// Opens a tunnel through an HTTP proxy by `CONNECT`, for `http` and `https` URIs, over any connector.
///
/// Put TLS to the origin above it, and TLS to the proxy below it, if the proxy speaks TLS. The phase `tunnel` is timed:
/// no [`PhaseLayer::tunnel`] is needed.
///
/// # Errors
/// A [`TunnelError`](crate::connect::TunnelError) if the proxy refuses. The retry layer retries the refusal unless its status
/// is 4xx: 408 and 429 are retried.
///
/// # Cancel safety
/// Dropping the future closes the connection to the proxy.
///
/// # Example
/// ```no_run
/// use http::{HeaderValue, Uri};
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::{TokioExecutor, TokioTimer};
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
/// use tower_outbound::connect::TunnelConnector;
///
/// let outbound = Outbound::new();
/// let tunnel = TunnelConnector::new(Uri::from_static("http://proxy.example:3128"), outbound.http_connector())
///     .authorization(HeaderValue::from_static("Basic dXNlcjpwYXNz"));
/// // TLS to the origin, for example hyper-rustls, goes around `tunnel`.
/// let client = Client::builder(TokioExecutor::new())
///     .pool_timer(TokioTimer::new())
///     .retry_canceled_requests(false)
///     .build(outbound.connector(tunnel));
/// let service = outbound.layer().layer(client);
/// # fn check<S: tower_service::Service<http::Request<String>>>(_: S) {}
/// # check(service);
/// ```
#[derive(Clone)]
pub struct TunnelConnector<C> {
    timed: PhaseTimer<Opening<C>>,
}

#[derive(Clone)]
struct Opening<C> {
    proxy: Uri,
    headers: HeaderMap,
    inner: C,
}

impl<C> TunnelConnector<C> {
    /// A tunnel through this proxy. `inner` connects to the proxy.
    #[must_use]
    pub fn new(proxy: Uri, inner: C) -> Self {
        Self { timed: PhaseLayer::tunnel().layer(Opening { proxy, headers: HeaderMap::new(), inner }) }
    }

    /// The credentials for the proxy: the value of `Proxy-Authorization`. Default: none.
    #[must_use]
    pub fn authorization(self, mut credentials: HeaderValue) -> Self {
        credentials.set_sensitive(true);
        self.header(PROXY_AUTHORIZATION, credentials)
    }

    /// A header of the `CONNECT` request. Default: `Host` only.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.timed.get_mut().headers.append(name, value);
        self
    }

    /// The connector to the proxy.
    #[must_use]
    pub fn get_ref(&self) -> &C {
        &self.timed.get_ref().inner
    }
}

impl<C: fmt::Debug> fmt::Debug for TunnelConnector<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's URI may contain credentials.
        f.debug_struct("TunnelConnector").field("inner", self.get_ref()).finish_non_exhaustive()
    }
}

/// The future of a [`TunnelConnector`].
pub type TunnelConnecting<T> = PhaseFuture<TunnelHandshake<T>>;

/// Boxed, once per connection: clients require `Unpin`.
pub struct TunnelHandshake<T>(Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>);

impl<T> Future for TunnelHandshake<T> {
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for TunnelHandshake<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelHandshake")
    }
}

impl<C> Service<Uri> for Opening<C>
where
    C: Service<Uri>,
    C::Response: Read + Write + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = TunnelHandshake<C::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let request = request(&origin, &self.headers);
        let connecting = self.inner.call(self.proxy.clone());
        TunnelHandshake(Box::pin(async move {
            let request = request?;
            let mut io = connecting.await.map_err(Into::into)?;
            open(&mut io, &request).await?;
            Ok(io)
        }))
    }
}

impl<C> Service<Uri> for TunnelConnector<C>
where
    C: Service<Uri>,
    C::Response: Read + Write + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = TunnelConnecting<C::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.timed.poll_ready(cx)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        self.timed.call(origin)
    }
}
