//! The error of the layers.

use std::error::Error as StdError;
use std::fmt;

use crate::classify::Failure;
use crate::exchange::Exchange;

/// Any error, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What a layer returns when the client, or the layer itself, fails.
///
/// [`source`](StdError::source) is the client's own error: `error.source().unwrap().downcast_ref()` gives it.
/// `Display` prints this level only.
pub struct Error(Box<Inner>);

struct Inner {
    failure: Failure,
    exchange: Option<Exchange>,
    message: Option<String>,
    source: Option<BoxError>,
}

impl Error {
    pub(crate) fn new(failure: Failure, exchange: Option<Exchange>, source: BoxError) -> Self {
        Self(Box::new(Inner { failure, exchange, message: None, source: Some(source) }))
    }

    #[cfg(feature = "client")]
    pub(crate) fn invalid_request(message: String) -> Self {
        let failure = Failure::new(crate::Kind::InvalidRequest).unsent();
        Self(Box::new(Inner { failure, exchange: None, message: Some(message), source: None }))
    }

    /// What is known of the failure.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// The exchange that failed; `None` where there was none yet.
    #[must_use]
    pub fn exchange(&self) -> Option<&Exchange> {
        self.0.exchange.as_ref()
    }

    /// The client's own error.
    #[must_use]
    pub fn into_source(self) -> Option<BoxError> {
        self.0.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.message, &self.0.exchange) {
            (Some(message), _) => f.write_str(message),
            (None, Some(exchange)) => {
                write!(f, "{} {} failed: {}", exchange.method(), exchange.origin(), self.0.failure)
            }
            (None, None) => write!(f, "request failed: {}", self.0.failure),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("failure", &self.0.failure)
            .field("exchange", &self.0.exchange)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}
