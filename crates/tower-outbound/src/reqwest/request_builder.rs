use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{IntoUrl, Method};

use super::ReqwestClient;
use super::error::without_secrets;
use crate::error::Error;

/// A request of a [`ReqwestClient`], as reqwest's `RequestBuilder`: its [`send`](Self::send) passes the layers.
///
/// What is not here is in [`with`](Self::with): `builder.with(|request| request.query(&pairs))`.
///
/// # Example
/// ```
/// # async fn run(client: tower_outbound::reqwest::ReqwestClient) -> Result<(), tower_outbound::Error> {
/// let request = client.post("https://inventory.example/orders").bearer_auth("token").body("item 7");
/// println!("{}", request.send().await?.status());
/// # Ok(())
/// # }
/// ```
#[must_use = "a request does nothing until `send`"]
pub struct ReqwestRequestBuilder {
    client: ReqwestClient,
    request: reqwest::RequestBuilder,
}

impl ReqwestClient {
    /// Begins a GET request. It is sent by [`ReqwestRequestBuilder::send`], which passes the layers.
    pub fn get(&self, url: impl IntoUrl) -> ReqwestRequestBuilder {
        self.begin(Method::GET, url)
    }

    /// Begins a POST request.
    pub fn post(&self, url: impl IntoUrl) -> ReqwestRequestBuilder {
        self.begin(Method::POST, url)
    }

    /// Begins a PUT request.
    pub fn put(&self, url: impl IntoUrl) -> ReqwestRequestBuilder {
        self.begin(Method::PUT, url)
    }

    /// Begins a PATCH request.
    pub fn patch(&self, url: impl IntoUrl) -> ReqwestRequestBuilder {
        self.begin(Method::PATCH, url)
    }

    /// Begins a DELETE request.
    pub fn delete(&self, url: impl IntoUrl) -> ReqwestRequestBuilder {
        self.begin(Method::DELETE, url)
    }

    /// Begins a HEAD request.
    pub fn head(&self, url: impl IntoUrl) -> ReqwestRequestBuilder {
        self.begin(Method::HEAD, url)
    }

    /// Begins a request with any method. [`request`](Self::request) sends an `http::Request`.
    pub fn begin(&self, method: Method, url: impl IntoUrl) -> ReqwestRequestBuilder {
        ReqwestRequestBuilder { client: self.clone(), request: self.get_ref().request(method, url) }
    }
}

impl ReqwestRequestBuilder {
    /// Any method of reqwest's builder. Do not call its `send`, which passes no layer.
    pub fn with(mut self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        self.request = change(self.request);
        self
    }

    /// Adds a header.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.with(|request| request.header(name, value))
    }

    /// Sets headers; those of the same names are replaced.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|request| request.headers(headers))
    }

    /// Sets `authorization: Basic`.
    pub fn basic_auth(self, user: impl fmt::Display, password: Option<impl fmt::Display>) -> Self {
        self.with(|request| request.basic_auth(user, password))
    }

    /// Sets `authorization: Bearer`.
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        self.with(|request| request.body(body))
    }

    /// Sets a JSON body, and `content-type: application/json` unless the request has that header.
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    pub fn json<T: serde::Serialize + ?Sized>(self, json: &T) -> Self {
        self.with(|request| request.json(json))
    }

    /// Sets reqwest's timeout, until the end of the response's body. It bounds the call: attempts, retries and waits.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    /// Builds the request, which [`ReqwestClient::execute`] sends.
    ///
    /// # Errors
    /// reqwest's error, if the URL, a header or the body was invalid.
    pub fn build(self) -> Result<reqwest::Request, reqwest::Error> {
        self.request.build().map_err(without_secrets)
    }

    /// Sends the request through the layers.
    ///
    /// # Errors
    /// As [`ReqwestClient::execute`]; [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) if the URL, a header or the body
    /// was invalid.
    ///
    /// # Cancel safety
    /// As [`ReqwestClient::execute`].
    pub async fn send(self) -> Result<reqwest::Response, Error> {
        let Self { client, request } = self;
        let request = request.build().map_err(|error| Error::from_client(without_secrets(error).into()))?;
        client.execute(request).await
    }
}

impl fmt::Debug for ReqwestRequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest's `Debug` prints the whole URL, which may contain secrets.
        f.debug_struct("ReqwestRequestBuilder").finish_non_exhaustive()
    }
}
