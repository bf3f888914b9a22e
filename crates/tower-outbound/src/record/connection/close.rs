//! Why a connection closed.

use std::time::Duration;

use crate::failure::Kind;
use crate::util::named_enum;

named_enum! {
    /// Why a connection closed. If few connections are reused, the reasons show why.
    pub enum CloseReason {
        /// The connection was idle for the idle timeout, or for almost as long as its server keeps an idle connection
        /// (`Keep-Alive: timeout`).
        IdleTimeout = "idle_timeout",
        /// The peer closed the connection.
        PeerClosed = "peer_closed",
        /// A request or response had `Connection: close`.
        ConnectionClose = "connection_close",
        /// The caller dropped a response body before its end.
        BodyDropped = "body_dropped",
        /// The peer speaks HTTP/1.0 and did not send `Connection: keep-alive`.
        Http10 = "http_1_0",
        /// The peer sent GOAWAY (HTTP/2).
        GoAway = "goaway",
        /// Either side violated the protocol. On HTTP/2 this side said so in a GOAWAY.
        ProtocolError = "protocol_error",
        /// Reading or writing failed, or the peer exceeded a limit of this side (HTTP/2).
        Error = "error",
        /// No byte was read while an attempt ran into a timeout (HTTP/1), or while several attempts in a row did so that
        /// the connection was retired (HTTP/2). Or the client gave up because the peer did not answer its PING (HTTP/2). Or no
        /// attempt used the connection, and the peer took no bytes for 10 s, or for 1 s after the client was dropped.
        Silent = "silent",
        /// The connection was removed from the pool because another idle connection to the same peer was dead.
        Evicted = "evicted",
        /// The connection has reached the age at which its pool retires it.
        MaxAge = "max_age",
        /// The connection has served as many requests as its pool allows.
        MaxUses = "max_uses",
        /// The pool was reset.
        Reset = "reset",
        /// The pool keeps no more connections, or another origin needed room.
        Surplus = "surplus",
        /// The connection was upgraded, or became a tunnel by `CONNECT`.
        Upgraded = "upgraded",
        /// The client dropped the connection: its pool was dropped, the request on the connection was cancelled, or its
        /// upload had not ended a second after the response.
        Dropped = "dropped",
        /// The client dropped the connection after a request that no observe layer has seen. A `Connection: close` of its
        /// response, say, is not known.
        Unknown = "unknown",
    }

    /// The value of `outbound.close_reason`.
    pub const fn as_str(self);
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct Closed {
    pub(super) reason: CloseReason,
    pub(super) was_active: bool,
    pub(super) killed: bool,
    pub(super) error: Option<Kind>,
    pub(super) lifetime: Duration,
}

impl Closed {
    /// Why the connection closed.
    #[must_use]
    pub fn reason(&self) -> CloseReason {
        self.reason
    }

    /// Whether the connection was active (otherwise idle).
    #[must_use]
    pub fn was_active(&self) -> bool {
        self.was_active
    }

    /// Whether the close ended an attempt, or an attempt that ended early caused the close.
    #[must_use]
    pub fn killed_attempt(&self) -> bool {
        self.killed
    }

    /// The kind of the error that closed the connection, if there was one.
    #[must_use]
    pub fn error(&self) -> Option<Kind> {
        self.error
    }

    /// How long the connection was open.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

/// How the IO of a connection ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IoEnd {
    pub(crate) end_of_file: bool,
    pub(crate) error: Option<Kind>,
}

impl IoEnd {
    /// Whether the end of file or an error was seen.
    pub(crate) fn has_ended(&self) -> bool {
        self.end_of_file || self.error.is_some()
    }
}

/// A probable close reason, known before the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseHint {
    BodyDropped,
    ConnectionClose,
    Dropped,
    Http10,
    IdleTimeout,
    MaxAge,
    MaxUses,
    ProtocolError,
    Reset,
    Silent,
    Surplus,
    Upgraded,
}

impl CloseHint {
    pub(crate) fn reason(self) -> CloseReason {
        match self {
            Self::BodyDropped => CloseReason::BodyDropped,
            Self::ConnectionClose => CloseReason::ConnectionClose,
            Self::Dropped => CloseReason::Dropped,
            Self::Http10 => CloseReason::Http10,
            Self::IdleTimeout => CloseReason::IdleTimeout,
            Self::MaxAge => CloseReason::MaxAge,
            Self::MaxUses => CloseReason::MaxUses,
            Self::ProtocolError => CloseReason::ProtocolError,
            Self::Reset => CloseReason::Reset,
            Self::Surplus => CloseReason::Surplus,
            Self::Silent => CloseReason::Silent,
            Self::Upgraded => CloseReason::Upgraded,
        }
    }
}
