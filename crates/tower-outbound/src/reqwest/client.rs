use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use reqwest::dns::Resolve;
use tower_layer::Layer;
use tower_service::Service;

use super::{ReqwestBody, ReqwestClientFuture, ReqwestConnectorLayer, ReqwestResolver, ReqwestService};
use crate::error::{BoxError, Error};
use crate::limit::InFlightLimit;
use crate::observe::Observe;
use crate::outbound::Outbound;
use crate::retry::Retry;

pub(super) type Observed = Observe<InFlightLimit<ReqwestService>>;

/// A `reqwest::Client`, observed, with its limits of requests in flight, and sent again where that is safe
/// ([`RetryLayer`](crate::retry::RetryLayer)); made by [`Outbound::reqwest`].
///
/// Clones share one pool. It is a service of `http` requests; [`execute`](Self::execute) takes those that reqwest
/// builds. Timings, reuse, and the setup that was paid for are known of each response by the pair of its connection's
/// socket addresses. What reqwest lets nobody see is absent: the phases of a connect other than dns, the bytes of a
/// connection, when and why it closes; [`Connection::is_tracked`](crate::Connection::is_tracked) is false. Where these are
/// wanted, `OutboundClient` (feature `client`) has them.
///
/// A request that comes back unsent from a dead idle connection is retried inside reqwest already, unseen; that cannot be
/// turned off there, and sends nothing twice. reqwest cannot follow a redirect that needs the body again (307, 308 with a
/// body): that response is returned. The redirects that it follows nobody sees either, so what it has begun to send is
/// never said to be unprocessed ([`SendState::Unknown`](crate::SendState::Unknown)), nor sent again for that.
#[derive(Clone)]
pub struct ReqwestClient {
    outbound: Outbound,
    client: reqwest::Client,
    service: Retry<Observed>,
}

impl ReqwestClient {
    /// Sends a request; its body is boxed once, and once more by reqwest.
    ///
    /// # Errors
    /// An [`Error`] whose [`failure`](Error::failure) says which kind and phase; its source is reqwest's error, without
    /// the URL. [`take_request`](Error::take_request) gives a `Request<reqwest::Body>`.
    ///
    /// # Cancel safety
    /// As [`ReqwestFuture`](crate::reqwest::ReqwestFuture). While it waits for a retry there is nothing to close.
    pub fn request<B>(&self, request: Request<B>) -> ReqwestClientFuture
    where
        B: Body + Send + Sync + 'static,
        B::Data: Into<Bytes>,
        B::Error: Into<BoxError>,
    {
        self.send(request.map(reqwest::Body::wrap))
    }

    /// Sends a request that reqwest has built: `client.get_ref().get(url).json(&value).build()?`. Its own timeout holds
    /// for each time that it is sent.
    ///
    /// The response is reqwest's; its `extensions()` have the [`Timings`](crate::Timings).
    ///
    /// # Errors
    /// As [`request`](Self::request). What fails while the body is read is an error of reqwest with an [`Error`] inside;
    /// [`Failure::of`](crate::Failure::of) knows it.
    ///
    /// # Cancel safety
    /// As [`request`](Self::request).
    pub async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, Error> {
        let request = Request::<reqwest::Body>::try_from(request);
        let request = request.map_err(|error| Error::from_client(error.without_url().into()))?;
        let response = self.send(request).await?;
        Ok(response.map(reqwest::Body::wrap).into())
    }

    /// reqwest's client: to build requests with. What it sends by itself passes no layer.
    #[must_use]
    pub const fn get_ref(&self) -> &reqwest::Client {
        &self.client
    }

    /// The stack that it belongs to.
    #[must_use]
    pub const fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    fn send(&self, request: Request<reqwest::Body>) -> ReqwestClientFuture {
        // reqwest's client is ready at all times, so a clone of it is as well.
        ReqwestClientFuture::new(self.service.clone().call(request))
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
    /// reqwest under every layer that it lets in.
    ///
    /// Everything that the builder says holds, but two things: its resolver is replaced by the system's, timed
    /// ([`reqwest_with_resolver`](Self::reqwest_with_resolver) takes another), and its retries, which nobody would see,
    /// by those of the [retry layer](Self::retry_layer). A connect has the timeout of
    /// [`connect_timeout`](crate::outbound::OutboundBuilder::connect_timeout), and the builder's if that is shorter.
    ///
    /// # Errors
    /// What reqwest's `build` returns.
    ///
    /// # Example
    /// ```
    /// # use std::io::{Read, Write};
    /// use tower_outbound::{Outbound, Reuse, Timings};
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
    /// let request = client.get_ref().get(url).header("accept", "text/plain").build()?;
    /// let response = client.execute(request).await?;
    /// let timings = response.extensions().get::<Timings>().cloned().unwrap();
    /// assert_eq!(response.text().await?, "ok");
    /// assert_eq!(timings.reuse(), Reuse::New);
    /// println!("{timings}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn reqwest(&self, builder: reqwest::ClientBuilder) -> Result<ReqwestClient, reqwest::Error> {
        self.reqwest_by(builder, ReqwestResolver::system())
    }

    /// As [`reqwest`](Self::reqwest), with a resolver of your own, timed.
    ///
    /// # Errors
    /// What reqwest's `build` returns.
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
        let client = builder.retry(reqwest::retry::never()).build()?;
        let service = self.layer().layer(connector.service(client.clone()));
        Ok(ReqwestClient { outbound: self.clone(), client, service })
    }

    /// The layer of one `reqwest::Client`'s connector, for a stack that is put together by hand.
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
    ///     .retry(reqwest::retry::never())
    ///     .build()
    ///     .unwrap();
    /// let service = ServiceBuilder::new()
    ///     .layer(outbound.layer())
    ///     .service(connector.service(client));
    /// # fn check<S: tower::Service<http::Request<String>>>(_: S) {}
    /// # check(service);
    /// ```
    pub fn reqwest_connector(&self) -> ReqwestConnectorLayer {
        ReqwestConnectorLayer::new(self.registry().clone())
    }
}
