//! The values of `error.type`.

use http::StatusCode;
use opentelemetry::Value;
use tower_outbound::{Failure, Kind};

use crate::semconv::is_registered;

/// A value of `error.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ErrorType {
    /// The attempt failed.
    Kind(Kind),
    /// The response has an error status.
    Status(StatusCode),
    /// The name of a gRPC status.
    Name(&'static str),
}

impl ErrorType {
    /// That of a step's failure: the status, if the client turned a response into an error.
    pub(crate) fn of(failure: &Failure) -> Self {
        match (failure.status(), failure.class()) {
            (Some(status), None) => Self::Status(status),
            _ => Self::Kind(failure.kind()),
        }
    }

    /// The value on metrics: a peer may invent statuses, so unregistered ones are `_OTHER`.
    pub(crate) fn bounded(self) -> Self {
        match self {
            Self::Status(status) if !is_registered(status) => Self::Kind(Kind::Other),
            _ => self,
        }
    }
}

impl From<ErrorType> for Value {
    fn from(error: ErrorType) -> Self {
        match error {
            ErrorType::Kind(kind) => kind.as_str().into(),
            ErrorType::Status(status) => status.as_str().to_owned().into(),
            ErrorType::Name(name) => name.into(),
        }
    }
}
