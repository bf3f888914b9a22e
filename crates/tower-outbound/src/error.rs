//! The error of the layers.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Request;

use crate::classify::{Failure, Kind};
use crate::exchange::Exchange;
use crate::retry::FailedAttempt;

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
    history: Vec<FailedAttempt>,
    request: Option<Box<dyn Any + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(failure: Failure, exchange: Option<Exchange>, source: BoxError) -> Self {
        Self::made(failure, exchange, None, Some(source))
    }

    #[cfg(feature = "client")]
    pub(crate) fn invalid_request(message: String) -> Self {
        let failure = Failure::new(Kind::InvalidRequest).unsent();
        Self::made(failure, None, Some(message), None)
    }

    fn made(
        failure: Failure,
        exchange: Option<Exchange>,
        message: Option<String>,
        source: Option<BoxError>,
    ) -> Self {
        Self(Box::new(Inner { failure, exchange, message, source, history: Vec::new(), request: None }))
    }

    /// What the service below has returned: an error of this crate as it is.
    pub(crate) fn from_client(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::new(Failure::of(&*error), None, error),
        }
    }

    pub(crate) fn with_history(mut self, history: Vec<FailedAttempt>) -> Self {
        self.0.history = history;
        self
    }

    pub(crate) fn with_request<B: Send + 'static>(mut self, request: Request<B>) -> Self {
        self.0.request = Some(Box::new(Mutex::new(Some(request))));
        self
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

    /// The exchanges before this one, in order, if the request was sent more than once.
    #[must_use]
    pub fn history(&self) -> &[FailedAttempt] {
        &self.0.history
    }

    /// The request, if nothing of it was sent and its body was never polled: once, from the retry layer, whose body
    /// type it has (`RequestBody` for the client of this crate). Where resends are off, nothing is
    /// kept.
    #[must_use]
    pub fn take_request<B: 'static>(&mut self) -> Option<Request<B>> {
        let request = self.0.request.as_mut()?.downcast_mut::<Mutex<Option<Request<B>>>>()?;
        request.get_mut().unwrap_or_else(PoisonError::into_inner).take()
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

/// A time limit of one exchange or connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeLimit {
    /// The whole exchange, to the end of the response's body.
    Attempt,
    /// The request is whole until the response's head is there.
    FirstByte,
    /// The peer takes nothing of the request.
    WriteIdle,
    /// The peer sends nothing of the response's body.
    BodyIdle,
    /// The making of a connection.
    Connect,
    /// The TLS handshake.
    Tls,
}

impl TimeLimit {
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Attempt | Self::FirstByte => Kind::ResponseTimeout,
            Self::WriteIdle => Kind::WriteTimeout,
            Self::BodyIdle => Kind::BodyTimeout,
            Self::Connect => Kind::ConnectTimeout,
            Self::Tls => Kind::TlsTimeout,
        }
    }

    const fn complaint(self) -> &'static str {
        match self {
            Self::Attempt => "the exchange was not over",
            Self::FirstByte => "no response",
            Self::WriteIdle => "nothing of the request was taken",
            Self::BodyIdle => "nothing of the response's body came",
            Self::Connect => "no connection",
            Self::Tls => "no TLS handshake",
        }
    }
}

/// A time limit was hit: the [`source`](StdError::source) of the [`Error`], in the place of a client's.
#[derive(Clone, Debug)]
pub struct TimeLimitError {
    limit: TimeLimit,
    after: Duration,
}

impl TimeLimitError {
    pub(crate) const fn new(limit: TimeLimit, after: Duration) -> Self {
        Self { limit, after }
    }

    /// Which limit.
    #[must_use]
    pub const fn limit(&self) -> TimeLimit {
        self.limit
    }

    /// What it was set to.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimeLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} within {:?}", self.limit.complaint(), self.after)
    }
}

impl StdError for TimeLimitError {}
