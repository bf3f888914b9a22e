use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::failure::Kind;

/// The kind of a timeout of an attempt or a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// The whole attempt, to the end of the response's body.
    Attempt,
    /// From the end of the request to the head of the response.
    FirstByte,
    /// The peer accepts no data of the request.
    WriteIdle,
    /// The peer sends no data of the response's body.
    BodyIdle,
    /// The connect, including TLS.
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

/// A timeout elapsed: the [`source`](StdError::source) of the [`Error`], instead of a client's error.
#[derive(Clone, Debug)]
pub struct TimeoutError {
    limit: TimeoutKind,
    after: Duration,
}

impl TimeoutError {
    pub(crate) const fn new(limit: TimeoutKind, after: Duration) -> Self {
        Self { limit, after }
    }

    /// The timeout that elapsed.
    #[must_use]
    pub const fn limit(&self) -> TimeoutKind {
        self.limit
    }

    /// The duration of the timeout.
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
