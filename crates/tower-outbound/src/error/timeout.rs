use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::failure::Kind;

/// Which timeout of an attempt or connect has elapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// The whole attempt, to the end of the response's body.
    Attempt,
    /// From the end of the request to the response's head.
    FirstByte,
    /// The peer accepted no byte of the request.
    WriteIdle,
    /// The peer sent no byte of the response's body.
    BodyIdle,
    /// The connect: DNS, TCP, tunnel and TLS.
    Connect,
    /// The TLS handshake.
    Tls,
}

impl TimeoutKind {
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Attempt | Self::FirstByte => Kind::ResponseTimeout,
            Self::WriteIdle => Kind::WriteTimeout,
            Self::BodyIdle => Kind::BodyTimeout,
            Self::Connect => Kind::ConnectTimeout,
            Self::Tls => Kind::TlsTimeout,
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Attempt => "the attempt did not end",
            Self::FirstByte => "no response",
            Self::WriteIdle => "the peer accepted no request data",
            Self::BodyIdle => "the peer sent no response data",
            Self::Connect => "no connection was made",
            Self::Tls => "the TLS handshake did not end",
        }
    }
}

/// A timeout has elapsed: the [`source`](StdError::source) of the [`Error`](crate::Error), in place of an error of the client.
#[derive(Clone, Debug)]
pub struct TimeoutError {
    kind: TimeoutKind,
    duration: Duration,
}

impl TimeoutError {
    pub(crate) const fn new(kind: TimeoutKind, duration: Duration) -> Self {
        Self { kind, duration }
    }

    /// Returns which timeout has elapsed.
    #[must_use]
    pub const fn kind(&self) -> TimeoutKind {
        self.kind
    }

    /// Returns the configured duration of the timeout.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} within {:?}", self.kind.description(), self.duration)
    }
}

impl StdError for TimeoutError {}
