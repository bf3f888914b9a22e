use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::failure::Kind;

/// A timeout of one attempt or connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// The whole attempt, to the end of the response's body.
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

    const fn complaint(self) -> &'static str {
        match self {
            Self::Attempt => "the attempt was not over",
            Self::FirstByte => "no response",
            Self::WriteIdle => "nothing of the request was taken",
            Self::BodyIdle => "nothing of the response's body came",
            Self::Connect => "no connection",
            Self::Tls => "no TLS handshake",
        }
    }
}

/// A timeout was hit: the [`source`](StdError::source) of the [`Error`], in the place of a client's.
#[derive(Clone, Debug)]
pub struct TimeoutError {
    limit: TimeoutKind,
    after: Duration,
}

impl TimeoutError {
    pub(crate) const fn new(limit: TimeoutKind, after: Duration) -> Self {
        Self { limit, after }
    }

    /// Which limit.
    #[must_use]
    pub const fn limit(&self) -> TimeoutKind {
        self.limit
    }

    /// What it was set to.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} within {:?}", self.limit.complaint(), self.after)
    }
}

impl StdError for TimeoutError {}
