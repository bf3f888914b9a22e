//! The phases of an attempt.

use std::fmt;

/// A stage of an attempt, of the setup of a connection, or of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a slot of our own limits.
    Queue,
    /// Waiting for a connection from the client's pool, a connect included.
    Acquire,
    /// Name resolution.
    Dns,
    /// The TCP connect.
    Tcp,
    /// The tunnel through a proxy.
    Tunnel,
    /// The TLS handshake.
    Tls,
    /// First request byte until the last one.
    Send,
    /// Last request byte until the first response byte: the peer's share.
    Wait,
    /// First response byte until the response is handed to the caller.
    Head,
    /// The response is handed over until its body has ended.
    Body,
    /// The pause before a retry.
    Backoff,
}

impl Phase {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Queue,
        Self::Acquire,
        Self::Dns,
        Self::Tcp,
        Self::Tunnel,
        Self::Tls,
        Self::Send,
        Self::Wait,
        Self::Head,
        Self::Body,
        Self::Backoff,
    ];

    /// The phase's name in spans and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Acquire => "acquire",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tunnel => "tunnel",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Head => "head",
            Self::Body => "body",
            Self::Backoff => "backoff",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
