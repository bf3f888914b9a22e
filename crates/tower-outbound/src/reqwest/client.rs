use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use reqwest::dns::Resolve;
use tower_layer::Layer;
use tower_service::Service;

use super::error::without_secrets;
use super::{ReqwestBody, ReqwestClientFuture, ReqwestConnectorLayer, ReqwestResolver, ReqwestService};
use crate::error::{BoxError, Error};
use crate::limit::InFlightLimit;
use crate::observe::Observe;
use crate::outbound::Outbound;
use crate::retry::Retry;

pub(super) type Observed = Observe<InFlightLimit<ReqwestService>>;

/// A `reqwest::Client` below retry, observe and in-flight limit; made by [`Outbound::reqwest`].
///
/// Clones share one pool. [`execute`](Self::execute) takes the requests that reqwest builds; the [`Service`] takes
/// `http::Request`.
///
/// # What reqwest does not expose
/// - Of a connection: its bytes, its close and the close reason;
///   [`Connection::is_tracked`](crate::Connection::is_tracked) is false. Of a connect: every phase except DNS. Timings and
///   reuse of each response are known. `OutboundClient` (feature `client`) has all of it.
/// - Its own retry of a request that a dead idle connection gives back unsent. reqwest has no option against it, and
///   sends nothing twice.
/// - The requests after a redirect. A failed request that reqwest has begun to send has
///   [`SendState::Unknown`](crate::SendState::Unknown), unless an HTTP/2 peer refused it before any redirect.
///   A redirect that needs the request's body again (307 and 308) is returned to the caller.
#[derive(Clone)]
pub struct ReqwestClient {
    outbound: Outbound,
    client: reqwest::Client,
    service: Retry<Observed>,
}

impl ReqwestClient {
    /// Sends an `http::Request`. Its body is boxed once, and once more by reqwest.
    ///
    /// # Errors
    /// An [`Error`] whose [`failure`](Error::failure) has the kind and the phase. Its source is reqwest's error, whose
    /// URL has no user info, query and fragment; [`into_reqwest`](Error::into_reqwest) returns it. [`take_request`](Error::take_request) returns a `Request<reqwest::Body>`.
    ///
    /// # Cancel safety
    /// See [`ReqwestClientFuture`].
    pub fn request<B>(&self, request: Request<B>) -> ReqwestClientFuture
    where
        B: Body + Send + Sync + 'static,
        B::Data: Into<Bytes>,
        B::Error: Into<BoxError>,
    {
        self.send(request.map(reqwest::Body::wrap))
    }

    /// Sends a request that reqwest has built: `client.post(url).json(&value).build()?`.
    ///
    /// The request's own timeout bounds the call: attempts, retries and waits. [`ResponseExt`](crate::ResponseExt) works on the
    /// response.
    ///
    /// # Errors
    /// As [`request`](Self::request). A failure while the body is read is an error of reqwest with an [`Error`] as source;
    /// [`Failure::of`](crate::Failure::of) classifies it.
    ///
    /// # Cancel safety
    /// As [`request`](Self::request).
    pub async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, Error> {
        let request = Request::<reqwest::Body>::try_from(request);
        let request = request.map_err(|error| Error::from_client(without_secrets(error).into()))?;
        let response = self.send(request).await?;
        Ok(response.map(reqwest::Body::wrap).into())
    }

    /// reqwest's client. A request that you send with it passes no layer, of which the log warns once: send with
    /// [`get`](Self::get) and the like, or with [`execute`](Self::execute).
    #[must_use]
    pub const fn get_ref(&self) -> &reqwest::Client {
        &self.client
    }

    /// reqwest's client, without the layers.
    #[must_use]
    pub fn into_inner(self) -> reqwest::Client {
        self.client
    }

    /// The stack around the client.
    #[must_use]
    pub const fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    fn send(&self, request: Request<reqwest::Body>) -> ReqwestClientFuture {
        // reqwest's client is always ready, and so is each clone of the stack.
        // reqwest alone keeps such a body for its retries too, whatever its size.
        let in_memory = request.body().as_bytes().is_some();
        ReqwestClientFuture::new(self.service.clone().call_once(request, in_memory))
    }
}

impl<B> Service<Request<B>> for ReqwestClient
where
    B: Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<ReqwestBody>;
    type Error = Error;
    type Future = ReqwestClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ReqwestClientFuture {
        self.request(request)
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").field("outbound", &self.outbound).finish_non_exhaustive()
    }
}

impl Outbound {
    /// reqwest with every layer that it supports.
    ///
    /// The options of the builder apply, with two exceptions:
    /// - the resolver is the system's, timed; [`reqwest_with_resolver`](Self::reqwest_with_resolver) takes another;
    /// - the [retry layer](Self::retry_layer) replaces reqwest's retries.
    ///
    /// The timeout of a connect is the shorter one of
    /// [`connect_timeout`](crate::outbound::OutboundBuilder::connect_timeout) and the builder's.
    ///
    /// # Errors
    /// The error of `reqwest::ClientBuilder::build`.
    ///
    /// # Example
    /// ```
    /// # use std::io::{Read, Write};
    /// use tower_outbound::{Outbound, ResponseExt as _, Reuse};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # #[cfg(feature = "client")]
    /// # let _ = tower_outbound::client::rustls::crypto::ring::default_provider().install_default();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let url = format!("http://{}/", listener.local_addr()?);
    /// # std::thread::spawn(move || {
    /// #     let mut stream = listener.accept().unwrap().0;
    /// #     let _ = stream.read(&mut [0; 1024]);
    /// #     let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    /// # });
    /// let client = Outbound::new().reqwest(reqwest::Client::builder().no_proxy())?;
    /// let request = client.get(url).header("accept", "text/plain").build()?;
    /// let response = client.execute(request).await?;
    /// let timings = response.timings().cloned().unwrap();
    /// assert_eq!(response.text().await?, "ok");
    /// assert_eq!(timings.reuse(), Reuse::New);
    /// println!("{timings}");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
    pub fn reqwest(&self, builder: reqwest::ClientBuilder) -> Result<ReqwestClient, reqwest::Error> {
        self.reqwest_by(builder, ReqwestResolver::system())
    }

    /// As [`reqwest`](Self::reqwest), with a resolver of your own, timed.
    ///
    /// # Errors
    /// The error of `reqwest::ClientBuilder::build`.
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
    pub fn reqwest_with_resolver(
        &self,
        builder: reqwest::ClientBuilder,
        resolver: impl Resolve + 'static,
    ) -> Result<ReqwestClient, reqwest::Error> {
        self.reqwest_by(builder, ReqwestResolver::new(resolver))
    }

    fn reqwest_by(
        &self,
        builder: reqwest::ClientBuilder,
        resolver: ReqwestResolver,
    ) -> Result<ReqwestClient, reqwest::Error> {
        let connector = self.reqwest_connector();
        let builder = builder.connector_layer(connector.clone()).dns_resolver(resolver);
        let client = builder.retry(connector.no_retries()).build()?;
        let service = self.layer().layer(connector.service(client.clone()));
        Ok(ReqwestClient { outbound: self.clone(), client, service })
    }

    /// The connector layer of one `reqwest::Client`, for a stack of your own.
    ///
    /// # Example
    /// ```
    /// use tower::ServiceBuilder;
    /// use tower_outbound::Outbound;
    /// use tower_outbound::reqwest::ReqwestResolver;
    ///
    /// # #[cfg(feature = "client")]
    /// # let _ = tower_outbound::client::rustls::crypto::ring::default_provider().install_default();
    /// let outbound = Outbound::new();
    /// let connector = outbound.reqwest_connector();
    /// let client = reqwest::Client::builder()
    ///     .connector_layer(connector.clone())
    ///     .dns_resolver(ReqwestResolver::system())
    ///     .retry(connector.no_retries())
    ///     .build()
    ///     .unwrap();
    /// let service = ServiceBuilder::new()
    ///     .layer(outbound.layer())
    ///     .service(connector.service(client));
    /// # fn check<S: tower::Service<http::Request<String>>>(_: S) {}
    /// # check(service);
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
    pub fn reqwest_connector(&self) -> ReqwestConnectorLayer {
        ReqwestConnectorLayer::new(self.registry().clone())
    }
}
