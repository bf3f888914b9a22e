//! What one request wants.

use http::HeaderValue;

/// What one request wants of the retry layer, in its extensions: what it does not say is as it is for all.
///
/// # Example
/// ```
/// use tower_outbound::retry::RetryOptions;
///
/// let mut request = http::Request::post("http://localhost/orders").body(String::new()).unwrap();
/// request.extensions_mut().insert(RetryOptions::new().idempotency_key("order-17".parse().unwrap()));
/// let mut another = http::Request::get("http://localhost/health").body(String::new()).unwrap();
/// another.extensions_mut().insert(RetryOptions::off());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "options do nothing unless put into a request's extensions"]
pub struct RetryOptions {
    pub(super) retries: Option<u32>,
    pub(super) key: Option<HeaderValue>,
}

impl RetryOptions {
    /// As it is for all.
    pub const fn new() -> Self {
        Self { retries: None, key: None }
    }

    /// Never sent again; nothing of it is kept.
    pub const fn off() -> Self {
        Self { retries: Some(0), key: None }
    }

    /// How many times it may be sent again; 0 is off.
    pub const fn max_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Puts an `Idempotency-Key` on it, the same one each time that it is sent: the peer will process it once, so that
    /// [`RetryLayer::idempotent`](crate::retry::RetryLayer::idempotent) may send it again whatever its method.
    ///
    /// Source: `draft-ietf-httpapi-idempotency-key-header`.
    pub fn idempotency_key(mut self, key: HeaderValue) -> Self {
        self.key = Some(key);
        self
    }
}
