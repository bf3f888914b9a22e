//! hyper's handshake as a layer: the step between a connector and a pool.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::hyper::client::conn::{http1, http2};
use ::hyper::rt::{Read, Write};
use http_body::Body;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_layer::Layer;
use tower_service::Service;

use super::HyperService;
use crate::connect::TrackedIo;
use crate::error::BoxError;
use crate::settings::KeepAlive;
use crate::util::inner_service_accessors;

/// Marks a [`HandshakeLayer`] for HTTP/1. It cannot be constructed outside of this crate.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeHttp1(());

/// Marks a [`HandshakeLayer`] for HTTP/2. It cannot be constructed outside of this crate.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeHttp2(KeepAlive);

/// Adds hyper's handshake to a tracked connector: the response is a [`HyperService`], and a spawned task drives the
/// connection with [`Connection::drive`](crate::Connection::drive).
///
/// hyper-util's composable pools (`hyper_util::client::pool`) take such a connector: `cache` for HTTP/1, `singleton` for
/// HTTP/2. `B` is the request's body below the layer that goes around the pool.
///
/// # Example
/// ```
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
/// use tower_outbound::hyper::HandshakeLayer;
/// use tower_outbound::observe::ObserveRequestBody;
/// use tower_service::Service;
///
/// type Body = ObserveRequestBody<String>;
/// let outbound = Outbound::new();
/// let connector = outbound.connector(outbound.http_connector());
/// // `hyper_util::client::pool::singleton::Singleton::new(make)` is a pool of one connection.
/// let mut make = HandshakeLayer::<_, Body>::http2().layer(connector);
/// let connecting = make.call(http::Uri::from_static("http://127.0.0.1:8080"));
/// # let _ = connecting;
/// ```
pub struct HandshakeLayer<P, B> {
    protocol: P,
    body: PhantomData<fn(B)>,
}

impl<B> HandshakeLayer<HandshakeHttp1, B> {
    /// A handshake of HTTP/1, with upgrades.
    #[must_use]
    pub const fn http1() -> Self {
        Self { protocol: HandshakeHttp1(()), body: PhantomData }
    }
}

impl<B> HandshakeLayer<HandshakeHttp2, B> {
    /// A handshake of HTTP/2 with prior knowledge.
    #[must_use]
    pub const fn http2() -> Self {
        Self { protocol: HandshakeHttp2(KeepAlive::new()), body: PhantomData }
    }

    /// HTTP/2: after this long without a received frame, send a PING while streams are open. Default: 10 s. Zero disables the
    /// PINGs.
    ///
    /// If the peer does not answer within the [timeout](Self::keep_alive_timeout), the connection closes with
    /// [`CloseReason::Silent`](crate::connect::CloseReason::Silent), and the requests on it fail as timed out. So the requests
    /// that first use a connection whose peer has vanished fail within interval and timeout, and none after them.
    ///
    /// Some gRPC servers allow fewer PINGs: grpc-go and gRPC C++ close a connection that sends several of them within five
    /// minutes while the server sends nothing.
    #[must_use]
    pub const fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.protocol.0.interval = interval;
        self
    }

    /// HTTP/2: how long the peer may take to answer a PING. Default: 10 s. Zero disables the PINGs.
    #[must_use]
    pub const fn keep_alive_timeout(mut self, timeout: Duration) -> Self {
        self.protocol.0.timeout = timeout;
        self
    }

    /// HTTP/2: sends PINGs also while no stream is open. Default: false.
    ///
    /// Then an idle connection whose peer has vanished closes before a request uses it. Some servers and proxies close a
    /// connection that sends PINGs without streams.
    #[must_use]
    pub const fn keep_alive_while_idle(mut self, while_idle: bool) -> Self {
        self.protocol.0.while_idle = while_idle;
        self
    }
}

impl<P: Copy, B> Clone for HandshakeLayer<P, B> {
    fn clone(&self) -> Self {
        Self { protocol: self.protocol, body: PhantomData }
    }
}

impl<P: fmt::Debug, B> fmt::Debug for HandshakeLayer<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandshakeLayer").field(&self.protocol).finish()
    }
}

impl<S, P: Copy, B> Layer<S> for HandshakeLayer<P, B> {
    type Service = Handshake<S, P, B>;

    fn layer(&self, inner: S) -> Self::Service {
        Handshake { inner, layer: self.clone() }
    }
}

/// A connector and hyper's handshake: see [`HandshakeLayer`].
///
/// # Panics
/// The future panics outside of a tokio runtime, since it spawns the connection's task.
#[derive(Debug)]
pub struct Handshake<S, P, B> {
    inner: S,
    layer: HandshakeLayer<P, B>,
}

impl<S, P, B> Handshake<S, P, B> {
    inner_service_accessors!();
}

impl<S: Clone, P: Copy, B> Clone for Handshake<S, P, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

/// The future of a connect and of hyper's handshake. It is boxed: hyper's future has no name, and pools ask for `Unpin`.
///
/// # Cancel safety
/// Dropping the future cancels the connect, or closes the new connection.
#[must_use = "futures do nothing unless polled"]
pub struct HandshakeFuture<S>(Pin<Box<dyn Future<Output = Result<HyperService<S>, BoxError>> + Send>>);

impl<S> Future for HandshakeFuture<S> {
    type Output = Result<HyperService<S>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<S> fmt::Debug for HandshakeFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandshakeFuture")
    }
}

macro_rules! handshake {
    ($protocol:ty, $sender:ident, B: $bound:ident, |$io:ident, $with:pat_param| $handshake:expr, |$driver:ident| $task:expr) => {
        impl<S, Dst, T, B> Service<Dst> for Handshake<S, $protocol, B>
        where
            S: Service<Dst, Response = TrackedIo<T>>,
            S::Error: Into<BoxError>,
            S::Future: Send + 'static,
            T: Read + Write + Unpin + Send + 'static,
            B: Body + $bound + Send + 'static,
            B::Data: Send,
            B::Error: Into<BoxError>,
        {
            type Response = HyperService<$sender::SendRequest<B>>;
            type Error = BoxError;
            type Future = HandshakeFuture<$sender::SendRequest<B>>;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
                self.inner.poll_ready(cx).map_err(Into::into)
            }

            fn call(&mut self, target: Dst) -> Self::Future {
                let connecting = self.inner.call(target);
                let $with = self.layer.protocol;
                HandshakeFuture(Box::pin(async move {
                    let $io = connecting.await.map_err(Into::into)?;
                    let connection = $io.connection().clone();
                    let (sender, $driver) = $handshake.await?;
                    tokio::spawn(connection.drive($task));
                    Ok(HyperService::new(sender))
                }))
            }
        }
    };
}

handshake!(HandshakeHttp1, http1, B: Send, |io, _| http1::handshake(io), |driver| driver.with_upgrades());
handshake!(
    HandshakeHttp2,
    http2,
    B: Unpin,
    |io, HandshakeHttp2(keep_alive)| http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(keep_alive.interval())
        .keep_alive_timeout(keep_alive.timeout)
        .keep_alive_while_idle(keep_alive.while_idle)
        .handshake(io),
    |driver| driver
);
