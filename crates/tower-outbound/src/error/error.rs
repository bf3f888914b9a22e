use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::Request;

use super::{BoxError, FailedAttempt};
use crate::failure::Failure;
use crate::record::{Attempt, Connection};

/// The error of a layer: the client failed, or the layer itself.
///
/// [`source`](StdError::source) is the client's error: `error.source().unwrap().downcast_ref()` returns it.
/// `Display` prints only this level: the request's method and origin, then kind and phase of the failure. For gRPC it prints
/// kind and phase only, since tonic makes the message of a `Status` of it, which a service passes on to its callers.
pub struct Error(Box<Inner>);

struct Inner {
    failure: Failure,
    attempt: Option<Attempt>,
    message: Option<String>,
    source: Option<BoxError>,
    history: Vec<FailedAttempt>,
    request: Option<Box<dyn Any + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(failure: Failure, attempt: Option<Attempt>, source: BoxError) -> Self {
        Self::made(failure, attempt, None, Some(source))
    }

    pub(crate) fn invalid_request(message: String) -> Self {
        let failure = Failure::new(crate::failure::Kind::InvalidRequest).unsent();
        Self::made(failure, None, Some(message), None)
    }

    fn made(
        failure: Failure,
        attempt: Option<Attempt>,
        message: Option<String>,
        source: Option<BoxError>,
    ) -> Self {
        Self(Box::new(Inner { failure, attempt, message, source, history: Vec::new(), request: None }))
    }

    pub(crate) fn with_history(mut self, history: Vec<FailedAttempt>) -> Self {
        self.0.history = history;
        self
    }

    pub(crate) fn with_request<B: Send + 'static>(mut self, request: Request<B>) -> Self {
        self.0.request = Some(Box::new(Mutex::new(Some(request))));
        self
    }

    /// The classified failure.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// The attempt that failed; `None` if the error occurred before an attempt.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        self.0.attempt.as_ref()
    }

    /// The tracked connection that the attempt was on.
    ///
    /// `None` if the attempt had no connection, and where connections are not tracked.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.attempt().and_then(Attempt::connection)
    }

    /// The attempts before this one, in order, if there were retries.
    #[must_use]
    pub fn history(&self) -> &[FailedAttempt] {
        &self.0.history
    }

    /// Takes the request back, if nothing of it was sent and its body was never polled. Returns it once.
    ///
    /// `B` is the body type of the retry layer (`RequestBody` for the client of this crate). `None` if retries are off.
    #[must_use]
    pub fn take_request<B: 'static>(&mut self) -> Option<Request<B>> {
        let request = self.0.request.as_mut()?.downcast_mut::<Mutex<Option<Request<B>>>>()?;
        request.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The client's error.
    #[must_use]
    pub fn into_source(self) -> Option<BoxError> {
        self.0.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.message, &self.0.attempt) {
            (Some(message), _) => f.write_str(message),
            // A gRPC service passes this text on to its callers, as the message of a status.
            (None, Some(attempt)) if attempt.is_grpc() => write!(f, "RPC failed: {}", self.0.failure),
            (None, Some(attempt)) => {
                write!(f, "{} {} failed: {}", attempt.method(), attempt.origin(), self.0.failure)
            }
            (None, None) => write!(f, "request failed: {}", self.0.failure),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("failure", &self.0.failure)
            .field("attempt", &self.0.attempt)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}
