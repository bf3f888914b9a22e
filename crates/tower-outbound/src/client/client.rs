use std::fmt;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use http_body::Body;
use tower_service::Service;

use super::pending::Pending;
use super::shared::ClientPool;
use super::{ClientBuilder, ClientFuture, RequestBody, ResponseBody, uri};
use crate::error::{BoxError, Error};
use crate::limit::InFlightLimit;
use crate::observe::Observe;
use crate::outbound::Outbound;
use crate::retry::Retry;

pub(super) type Observed = Observe<InFlightLimit<ClientPool>>;

/// A pooled HTTP/1 and HTTP/2 client with TLS and every layer of this crate, made by [`Outbound::client`].
///
/// Clones share one pool: keep one client in your application's state. [`RequestExt`](crate::RequestExt) sets the options
/// of one request, [`outbound`](Self::outbound) lists the open connections.
///
/// # Example
/// ```no_run
/// use tower_outbound::{Outbound, ResponseExt as _};
///
/// # async fn run() -> Result<(), tower_outbound::Error> {
/// let client = Outbound::new().client();
/// let response = client.get("https://example.com/").await?;
/// let timings = response.timings().cloned();
/// let text = response.into_body().text().await?;
/// println!("{} bytes, {}", text.len(), timings.unwrap());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OutboundClient {
    pub(super) outbound: Outbound,
    pub(super) service: Retry<Observed>,
}

impl OutboundClient {
    /// Sends a GET request without headers; [`request`](Self::request) takes a whole `http::Request`.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) if the URI cannot be parsed, is not absolute, or is neither
    /// `http` nor `https`; otherwise as [`request`](Self::request).
    ///
    /// # Cancel safety
    /// See [`ClientFuture`].
    pub fn get<U>(&self, uri: U) -> ClientFuture
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        self.verb(Method::GET, uri, RequestBody::empty())
    }

    /// Sends a POST request with a body: `String`, `&'static str`, `Bytes`, `Vec<u8>`, or any [`RequestBody`].
    ///
    /// The request has no `content-type`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// See [`ClientFuture`].
    ///
    /// # Example
    /// ```no_run
    /// # async fn run(client: tower_outbound::OutboundClient) -> Result<(), tower_outbound::Error> {
    /// let response = client.post("https://example.com/orders", r#"{"item": 7}"#).await?;
    /// println!("{}: {}", response.status(), response.into_body().text().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn post<U>(&self, uri: U, body: impl Into<RequestBody>) -> ClientFuture
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        self.verb(Method::POST, uri, body.into())
    }

    /// Sends a PUT request with a body: see [`post`](Self::post).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// See [`ClientFuture`].
    pub fn put<U>(&self, uri: U, body: impl Into<RequestBody>) -> ClientFuture
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        self.verb(Method::PUT, uri, body.into())
    }

    /// Sends a DELETE request without a body.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// See [`ClientFuture`].
    pub fn delete<U>(&self, uri: U) -> ClientFuture
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        self.verb(Method::DELETE, uri, RequestBody::empty())
    }

    /// Sends a request with headers, extensions and a body of any type, which is boxed once.
    ///
    /// # Errors
    /// An [`Error`] whose [`failure`](Error::failure) has the kind and the phase.
    ///
    /// # Cancel safety
    /// See [`ClientFuture`].
    ///
    /// # Example
    /// ```no_run
    /// use tower_outbound::RequestExt as _;
    ///
    /// # async fn run(client: tower_outbound::OutboundClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let request = http::Request::patch("https://example.com/users/7")
    ///     .header("content-type", "application/json")
    ///     .body(r#"{"name": "Ada"}"#.to_owned())?
    ///     .url_template("/users/{id}");
    /// let response = client.request(request).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request<B>(&self, request: Request<B>) -> ClientFuture
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.send(request.map(RequestBody::new))
    }

    /// The stack around the client.
    #[must_use]
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    fn verb<U>(&self, method: Method, uri: U, body: RequestBody) -> ClientFuture
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        match uri.try_into() {
            Ok(uri) => {
                let mut request = Request::new(body);
                *request.method_mut() = method;
                *request.uri_mut() = uri;
                self.send(request)
            }
            Err(error) => refused(uri::unparsable(&error.into())),
        }
    }

    fn send(&self, request: Request<RequestBody>) -> ClientFuture {
        // Most URIs name an origin that was asked for before.
        let known = self.outbound.registry().knows(request.uri());
        match if known { Ok(()) } else { uri::check(request.uri()) } {
            // The pool is always ready, and so is each clone of the stack.
            Ok(()) => ClientFuture::new(Pending::Sent(self.service.clone().call_once(request, false))),
            Err(error) => refused(error),
        }
    }
}

fn refused(error: Error) -> ClientFuture {
    ClientFuture::new(Pending::Refused(Some(error)))
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
    /// An HTTP client over this stack, with the defaults of [`ClientBuilder`].
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn client(&self) -> OutboundClient {
        self.client_builder().build()
    }

    /// An HTTP client over this stack, with options.
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn client_builder(&self) -> ClientBuilder {
        ClientBuilder::new(self.clone())
    }
}
