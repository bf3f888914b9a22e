//! Why a connection closed.

use std::time::Duration;

use crate::failure::Kind;
use crate::util::named_enum;

named_enum! {
    /// Why a connection closed: at a low reuse rate, the reasons name the cause.
    pub enum CloseReason {
        /// It was idle for as long as the pool keeps idle connections.
        IdleTimeout = "idle_timeout",
        /// The peer closed it.
        PeerClosed = "peer_closed",
        /// A `Connection: close` header of either side.
        ConnectionClose = "connection_close",
        /// The caller dropped a body that had not been received whole.
        BodyDropped = "body_dropped",
        /// The peer speaks HTTP/1.0 and did not ask to keep it.
        Http10 = "http_1_0",
        /// The peer sent GOAWAY (HTTP/2).
        GoAway = "goaway",
        /// A side broke the protocol.
        ProtocolError = "protocol_error",
        /// Reading or writing failed.
        Error = "error",
        /// Nothing was read on it while an attempt on it ran into a timeout (HTTP/1), or while several did so one
        /// after the other, so that it was retired (HTTP/2).
        Silent = "silent",
        /// The pool was to use it no more: another connection to its peer, idle like it, had turned out to be dead.
        Evicted = "evicted",
        /// It was given away by an upgrade or `CONNECT`.
        Upgraded = "upgraded",
        /// The client dropped it: its pool is gone, or the request that it served was cancelled.
        Dropped = "dropped",
    }

    /// The value of `outbound.close_reason`.
    pub const fn as_str(self);
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct Closed {
    pub(crate) reason: CloseReason,
    pub(crate) was_active: bool,
    pub(crate) killed: bool,
    pub(crate) error: Option<Kind>,
    pub(crate) lifetime: Duration,
}

impl Closed {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> CloseReason {
        self.reason
    }

    /// Whether it was counted as active until now (otherwise as idle).
    #[must_use]
    pub fn was_active(&self) -> bool {
        self.was_active
    }

    /// Whether an attempt was cut off by it, or it by the attempt's cancellation.
    #[must_use]
    pub fn killed_attempt(&self) -> bool {
        self.killed
    }

    /// The kind of the error that closed it, if one did.
    #[must_use]
    pub fn error(&self) -> Option<Kind> {
        self.error
    }

    /// How long it was open.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

/// How the IO of a connection came to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IoEnd {
    pub(crate) end_of_file: bool,
    pub(crate) error: Option<Kind>,
}

/// What the layers above know of a connection's end before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseHint {
    BodyDropped,
    ConnectionClose,
    Http10,
    ProtocolError,
    Silent,
    Upgraded,
}

impl CloseHint {
    pub(crate) fn reason(self) -> CloseReason {
        match self {
            Self::BodyDropped => CloseReason::BodyDropped,
            Self::ConnectionClose => CloseReason::ConnectionClose,
            Self::Http10 => CloseReason::Http10,
            Self::ProtocolError => CloseReason::ProtocolError,
            Self::Silent => CloseReason::Silent,
            Self::Upgraded => CloseReason::Upgraded,
        }
    }
}
