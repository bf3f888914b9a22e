use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::body::Incoming;
use ::hyper::client::conn::{http1, http2};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

/// hyper's `http1::SendRequest` or `http2::SendRequest` as a [`Service`].
///
/// On HTTP/1 the service is ready when the previous request has ended. Only the sender of HTTP/2 is `Clone`: put
/// [`Outbound::layer`](crate::Outbound::layer) around it, and around the sender of HTTP/1 an
/// [`ObserveLayer`](crate::observe::ObserveLayer).
///
/// Over HTTP/1 hyper sends the URI unchanged. So give requests a path and a `host` header, and the layer the origin, with
/// [`ObserveLayer::origin`](crate::observe::ObserveLayer::origin).
///
/// # Example
/// ```
/// use hyper::client::conn::http1;
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
/// use tower_outbound::hyper::HyperService;
/// use tower_outbound::observe::ObserveLayer;
/// use tower_service::Service;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let outbound = Outbound::new();
/// let uri: http::Uri = "http://127.0.0.1:8080".parse()?;
/// let io = outbound.connector(outbound.http_connector()).call(uri.clone()).await?;
/// let (sender, connection) = http1::handshake(io).await?;
/// tokio::spawn(connection);
/// let layer = outbound.observe_layer().origin(&uri);
/// let mut service = layer.layer(HyperService::new(sender));
///
/// std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
/// let request = http::Request::get("/things").header("host", "127.0.0.1").body(String::new())?;
/// let response = service.call(request).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HyperService<S> {
    sender: S,
}

impl<S> HyperService<S> {
    /// Wraps a sender.
    #[must_use]
    pub const fn new(sender: S) -> Self {
        Self { sender }
    }

    /// The sender.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.sender
    }

    /// The sender.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.sender
    }

    /// The sender.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.sender
    }
}

/// The future of a request on a [`HyperService`], until the response's head. It is boxed, since hyper's has no name.
///
/// # Cancel safety
/// On HTTP/1, dropping the future closes the connection if the request was being sent or answered. On HTTP/2, it resets
/// the stream.
#[must_use = "futures do nothing unless polled"]
pub struct HyperFuture(Pin<Box<dyn Future<Output = ::hyper::Result<Response<Incoming>>> + Send>>);

impl Future for HyperFuture {
    type Output = ::hyper::Result<Response<Incoming>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for HyperFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperFuture")
    }
}

macro_rules! service {
    ($sender:ty) => {
        impl<B> Service<Request<B>> for HyperService<$sender>
        where
            B: Body + Send + 'static,
        {
            type Response = Response<Incoming>;
            type Error = ::hyper::Error;
            type Future = HyperFuture;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<::hyper::Result<()>> {
                self.sender.poll_ready(cx)
            }

            fn call(&mut self, request: Request<B>) -> HyperFuture {
                HyperFuture(Box::pin(self.sender.send_request(request)))
            }
        }
    };
}

service!(http1::SendRequest<B>);
service!(http2::SendRequest<B>);
