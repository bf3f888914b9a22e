//! From a connected IO to a service that sends requests: the step between a connector and a pool.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::client::conn::{http1, http2};
use ::hyper::rt::{Read, Write};
use http_body::Body;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_layer::Layer;
use tower_service::Service;

use super::HyperService;
use crate::connect::TrackedIo;
use crate::error::BoxError;

/// The protocol of a [`HandshakeLayer`]: HTTP/1; there is none but in the layer.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeHttp1(());

/// The protocol of a [`HandshakeLayer`]: HTTP/2; there is none but in the layer.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeHttp2(());

/// Makes of a tracked connector one that gives services: hyper's handshake, the task that drives the connection (which
/// says [whose it is](crate::Connection::drive)), and its sender as a [`HyperService`].
///
/// It is what hyper-util's composable pools (`hyper_util::client::pool`) are made of: `cache` keeps the services of
/// HTTP/1, `singleton` the one of HTTP/2. `B` is the body that is sent: that of the layer which goes around the pool.
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
/// // `hyper_util::client::pool::singleton::Singleton::new(..)` goes around it.
/// let mut make = HandshakeLayer::<_, Body>::http2().layer(connector);
/// let connecting = make.call(http::Uri::from_static("http://127.0.0.1:8080"));
/// # let _ = connecting;
/// ```
pub struct HandshakeLayer<P, B> {
    protocol: P,
    body: PhantomData<fn(B)>,
}

impl<B> HandshakeLayer<HandshakeHttp1, B> {
    /// HTTP/1, with upgrades.
    #[must_use]
    pub const fn http1() -> Self {
        Self { protocol: HandshakeHttp1(()), body: PhantomData }
    }
}

impl<B> HandshakeLayer<HandshakeHttp2, B> {
    /// HTTP/2.
    #[must_use]
    pub const fn http2() -> Self {
        Self { protocol: HandshakeHttp2(()), body: PhantomData }
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

impl<C, P: Copy, B> Layer<C> for HandshakeLayer<P, B> {
    type Service = Handshake<C, P, B>;

    fn layer(&self, connector: C) -> Self::Service {
        Handshake { connector, layer: self.clone() }
    }
}

/// A connector that gives services: see [`HandshakeLayer`].
///
/// # Panics
/// Its future does, outside a runtime of tokio, on which the connection's task is to be spawned.
#[derive(Debug)]
pub struct Handshake<C, P, B> {
    connector: C,
    layer: HandshakeLayer<P, B>,
}

impl<C: Clone, P: Copy, B> Clone for Handshake<C, P, B> {
    fn clone(&self) -> Self {
        Self { connector: self.connector.clone(), layer: self.layer.clone() }
    }
}

/// The future of a connect and hyper's handshake; boxed, since hyper's has no name and pools want it `Unpin`.
///
/// # Cancel safety
/// Dropping it gives the connect up, or closes the connection that it has made.
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

impl<C, Dst, T, B> Service<Dst> for Handshake<C, HandshakeHttp1, B>
where
    C: Service<Dst, Response = TrackedIo<T>>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    T: Read + Write + Unpin + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = HyperService<http1::SendRequest<B>>;
    type Error = BoxError;
    type Future = HandshakeFuture<http1::SendRequest<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Dst) -> Self::Future {
        let connecting = self.connector.call(target);
        HandshakeFuture(Box::pin(async move {
            let io = connecting.await.map_err(Into::into)?;
            let connection = io.connection().clone();
            let (sender, driver) = http1::handshake(io).await?;
            tokio::spawn(connection.drive(driver.with_upgrades()));
            Ok(HyperService::new(sender))
        }))
    }
}

impl<C, Dst, T, B> Service<Dst> for Handshake<C, HandshakeHttp2, B>
where
    C: Service<Dst, Response = TrackedIo<T>>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    T: Read + Write + Unpin + Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = HyperService<http2::SendRequest<B>>;
    type Error = BoxError;
    type Future = HandshakeFuture<http2::SendRequest<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Dst) -> Self::Future {
        let connecting = self.connector.call(target);
        HandshakeFuture(Box::pin(async move {
            let io = connecting.await.map_err(Into::into)?;
            let connection = io.connection().clone();
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let (sender, driver) = builder.timer(TokioTimer::new()).handshake(io).await?;
            tokio::spawn(connection.drive(driver));
            Ok(HyperService::new(sender))
        }))
    }
}
