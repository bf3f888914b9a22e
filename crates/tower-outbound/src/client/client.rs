use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use http_body::Body;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use tower_service::Service;

use super::{ClientBuilder, ClientFuture, RequestBody, ResponseBody, uri};
use crate::connect::{TcpConnector, Track};
use crate::error::{BoxError, Error};
use crate::limit::InFlightLimit;
use crate::observe::{Observe, ObserveRequestBody};
use crate::outbound::Outbound;
use crate::retry::{LeasedBody, Retry};

pub(super) type HyperClient =
    Client<Track<HttpsConnector<TcpConnector>>, ObserveRequestBody<LeasedBody<RequestBody>>>;
pub(super) type Observed = Observe<InFlightLimit<HyperClient>>;

/// A pooled HTTP/1 and HTTP/2 client with TLS, observed, tracked, and sent again
/// where that is safe ([`RetryLayer`](crate::retry::RetryLayer)); made by [`Outbound::client`].
///
/// Clones share one pool: keep one in your application's state. A request's extensions take a
/// [`UrlTemplate`](crate::UrlTemplate); [`outbound`](Self::outbound) gives the open connections.
///
/// # Example
/// ```no_run
/// use http_body_util::BodyExt;
/// use tower_outbound::{Outbound, Timings};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let client = Outbound::new().client();
/// let response = client.get("https://example.com/").await?;
/// let timings = response.extensions().get::<Timings>().cloned();
/// let body = response.into_body().collect().await?.to_bytes();
/// println!("{} bytes, {}", body.len(), timings.unwrap());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OutboundClient {
    pub(super) outbound: Outbound,
    pub(super) service: Retry<Observed>,
}

impl OutboundClient {
    /// Sends a GET request; [`request`](Self::request) is for one with headers, extensions or a body.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) for a URI that is not absolute or neither
    /// `http` nor `https`; else as [`request`](Self::request).
    ///
    /// # Cancel safety
    /// As [`ClientFuture`].
    pub fn get<U>(&self, uri: U) -> ClientFuture
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        match uri.try_into() {
            Ok(uri) => {
                let mut request = Request::new(RequestBody::empty());
                *request.uri_mut() = uri;
                self.send(request)
            }
            Err(error) => ClientFuture::failed(uri::unparsable(&error.into())),
        }
    }

    /// Sends a request; its body is boxed once.
    ///
    /// # Errors
    /// An [`Error`] whose [`failure`](Error::failure) says which kind and phase.
    ///
    /// # Cancel safety
    /// As [`ClientFuture`].
    pub fn request<B>(&self, request: Request<B>) -> ClientFuture
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.send(request.map(RequestBody::new))
    }

    /// The stack that it belongs to.
    #[must_use]
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    fn send(&self, request: Request<RequestBody>) -> ClientFuture {
        match uri::check(request.uri()) {
            // hyper-util's client is ready at all times, so a clone of it is as well.
            Ok(()) => ClientFuture::new(self.service.clone().call(request)),
            Err(error) => ClientFuture::failed(error),
        }
    }
}

impl<B> Service<Request<B>> for OutboundClient
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = ClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ClientFuture {
        self.request(request)
    }
}

impl fmt::Debug for OutboundClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundClient").field("outbound", &self.outbound).finish_non_exhaustive()
    }
}

impl Outbound {
    /// A client with the defaults of [`ClientBuilder`].
    #[must_use]
    pub fn client(&self) -> OutboundClient {
        self.client_builder().build()
    }

    /// A client with options.
    pub fn client_builder(&self) -> ClientBuilder {
        ClientBuilder::new(self.clone())
    }
}
