//! The retry options of one request.

use http::{HeaderValue, Request};

use super::rules::IDEMPOTENCY_KEY;

/// Retry options of one request, in the request's extensions or by
/// [`RequestExt::retry`](crate::RequestExt::retry). Options that are not set fall back to the layer's.
///
/// # Example
/// ```
/// use http::Request;
/// use tower_outbound::RequestExt;
/// use tower_outbound::retry::RetryOptions;
///
/// let order = Request::post("http://localhost/orders")
///     .body(String::new())
///     .unwrap()
///     .retry(RetryOptions::new().idempotency_key("order-17".parse().unwrap()));
/// let health = Request::get("http://localhost/health")
///     .body(String::new())
///     .unwrap()
///     .retry(RetryOptions::off());
/// # let _ = (order, health);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "options do nothing unless put into a request's extensions"]
pub struct RetryOptions {
    max_retries: Option<u32>,
    idempotency_key: Option<HeaderValue>,
}

impl RetryOptions {
    /// Sets nothing: the layer's options apply.
    pub const fn new() -> Self {
        Self { max_retries: None, idempotency_key: None }
    }

    /// Disables retries. Nothing of the request is stored.
    pub const fn off() -> Self {
        Self { max_retries: Some(0), idempotency_key: None }
    }

    /// Maximum number of retries; 0 disables retries. Default: the layer's
    /// [`max_retries`](crate::retry::RetryLayer::max_retries).
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = Some(max_retries);
        self
    }

    /// Sends the header `Idempotency-Key` with this value, the same on each attempt. A header that the request has
    /// already stays.
    ///
    /// A server that supports the header processes the request once. The request counts as idempotent, whatever its
    /// method: see [`RetryLayer::idempotent`](crate::retry::RetryLayer::idempotent).
    ///
    /// Source: `draft-ietf-httpapi-idempotency-key-header`.
    pub fn idempotency_key(mut self, key: HeaderValue) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// Applies the options of a request, if it has any: sets its idempotency key. Returns its maximum number of retries.
    pub(super) fn apply<B>(request: &mut Request<B>) -> Option<u32> {
        let options = request.extensions().get::<Self>()?;
        let max_retries = options.max_retries;
        if let Some(key) = options.idempotency_key.clone() {
            request.headers_mut().entry(IDEMPOTENCY_KEY).or_insert(key);
        }
        max_retries
    }
}
