//! What one use of a connection was.

use std::time::Duration;

use tokio::time::Instant;

use crate::util::named_enum;

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionState {
    /// An attempt is on it.
    Active,
    /// Nothing is on it.
    Idle,
    /// It finishes what is on it and will not be used again: GOAWAY, a header that says so, or retired for silence.
    Draining,
}

named_enum! {
    /// What is known of the serving connection, by its identity.
    pub enum Reuse {
        /// The first attempt of its connection.
        New = "new",
        /// The connection had served before.
        Reused = "reused",
        /// The connection is not tracked.
        Unknown = "unknown",
    }

    /// The value of `outbound.connection.reuse`.
    pub const fn as_str(self);
}

/// One use of a connection by an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub(crate) number: u64,
    pub(crate) idle_time: Option<Duration>,
    pub(crate) ready_at: Instant,
}

impl Use {
    /// The first use of a connection is number 1.
    ///
    /// On HTTP/2 it is that of the attempt that the connection was made for; the others follow in the order
    /// of their heads.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// New for the first use, reused for every other.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        if self.number == 1 { Reuse::New } else { Reuse::Reused }
    }

    /// How long the connection had been idle before; `None` on the first use, and where it was not idle.
    #[must_use]
    pub fn idle_time(&self) -> Option<Duration> {
        self.idle_time
    }

    /// Since when the connection could have served: opened, or idle after the use before.
    #[must_use]
    pub fn ready_at(&self) -> Instant {
        self.ready_at
    }
}
