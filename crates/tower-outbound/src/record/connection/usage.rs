//! The states of a connection, and one use of it.

use std::time::Duration;

use tokio::time::Instant;

use crate::util::named_enum;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionState {
    /// An attempt uses the connection.
    Active,
    /// No attempt uses the connection.
    Idle,
    /// The connection finishes the attempts in flight and serves no others: after GOAWAY, after a header that announces the
    /// close, or retired for silence. Also while the upload of an ended attempt goes on (HTTP/1): if it ends within a
    /// second, the connection is idle then.
    Draining,
}

named_enum! {
    /// Whether the serving connection was new.
    pub enum Reuse {
        /// The attempt is the first one on the connection: see [`Use::number`].
        New = "new",
        /// The connection has served another attempt before.
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
    pub(super) number: u64,
    pub(super) idle_time: Option<Duration>,
    pub(super) ready_at: Instant,
}

impl Use {
    /// The first use of a connection is number 1.
    ///
    /// On HTTP/2 use n is the request on stream 2n − 1, so number 1 is on the first stream, whichever attempt the connection
    /// was opened for ([`Timings::setup_paid`](crate::Timings::setup_paid) says which).
    ///
    /// A client whose tasks are not [driven](crate::Connection::drive) does not show the streams of its attempts. Then number
    /// 1 is the attempt that the connection was opened for, unless a stream was opened before the client accepted it; the
    /// others follow in the order of their response heads.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// [`Reuse::New`] for the first use, [`Reuse::Reused`] for all others.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        if self.number == 1 { Reuse::New } else { Reuse::Reused }
    }

    /// How long the connection was idle before this use; `None` for the first use and if it was not idle.
    #[must_use]
    pub fn idle_time(&self) -> Option<Duration> {
        self.idle_time
    }

    /// Since when the connection could have served: when it was opened, or idle again.
    #[must_use]
    pub fn ready_at(&self) -> Instant {
        self.ready_at
    }
}
