//! The timeouts of an attempt.

use std::time::Duration;

/// Timeout of a whole attempt: disabled, since the right value depends on the server. So are the others.
const ATTEMPT: Duration = Duration::ZERO;

/// Timeout from the end of the request to the response's head.
const FIRST_BYTE: Duration = Duration::ZERO;

/// Timeout of an upload without progress.
const WRITE_IDLE: Duration = Duration::ZERO;

/// Timeout of a download without progress.
const BODY_IDLE: Duration = Duration::ZERO;

/// The timeouts of an attempt.
///
/// [`OutboundBuilder::timeouts`](crate::outbound::OutboundBuilder::timeouts) and
/// [`ObserveLayer::timeouts`](crate::observe::ObserveLayer::timeouts) set them for all requests; a value in a request's
/// extensions ([`RequestExt::timeouts`](crate::RequestExt::timeouts)) sets them for that request. Timeouts that a
/// request does not set fall back to the layer's.
///
/// `Duration::ZERO` disables a timeout. Default: all disabled. The resolution is one millisecond. Timeouts need a tokio
/// runtime with its time driver enabled, and are disabled elsewhere.
///
/// # Errors
/// The attempt fails with an [`Error`](crate::Error) of the kind that each timeout names, whose source is a
/// [`TimeoutError`](crate::timeouts::TimeoutError).
/// [`Attempt::connection_was_silent`](crate::Attempt::connection_was_silent) returns whether anything was read from the
/// connection meanwhile.
///
/// On the wire, an HTTP/1 connection is closed, and an HTTP/2 stream is reset. A silent HTTP/2 connection is retired:
/// [`OutboundBuilder::retire_silent_after`](crate::outbound::OutboundBuilder::retire_silent_after).
///
/// # Example
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use tower_outbound::timeouts::Timeouts;
/// use tower_outbound::{Outbound, RequestExt};
///
/// let timeouts = Timeouts::new().attempt(Duration::from_secs(60)).first_byte(Duration::from_secs(10));
/// let outbound = Outbound::builder().timeouts(timeouts).build();
///
/// let slow_report = Request::get("http://localhost/report")
///     .body(String::new())
///     .unwrap()
///     .timeouts(Timeouts::new().first_byte(Duration::from_secs(90)));
/// # let _ = (outbound, slow_report);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "timeouts do nothing unless given to a layer or a request"]
pub struct Timeouts {
    attempt: Option<Duration>,
    first_byte: Option<Duration>,
    write_idle: Option<Duration>,
    body_idle: Option<Duration>,
}

impl Timeouts {
    /// Sets no timeout.
    pub const fn new() -> Self {
        Self { attempt: None, first_byte: None, write_idle: None, body_idle: None }
    }

    /// Timeout of the whole attempt, from its first poll to the end of the response's body. Time in which the caller
    /// does not read the body counts too. Default: disabled.
    ///
    /// Fails with [`Kind::ResponseTimeout`](crate::Kind::ResponseTimeout) before the response's head, and with
    /// [`Kind::BodyTimeout`](crate::Kind::BodyTimeout) after it.
    pub const fn attempt(mut self, attempt: Duration) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Timeout from the end of the request to the end of the response's head. Default: disabled.
    ///
    /// The upload does not count. A head that arrives byte by byte does not extend the timeout.
    ///
    /// Fails with [`Kind::ResponseTimeout`](crate::Kind::ResponseTimeout).
    pub const fn first_byte(mut self, first_byte: Duration) -> Self {
        self.first_byte = Some(first_byte);
        self
    }

    /// Timeout of an upload without progress: the client has data to send, and the peer accepts none. Default:
    /// disabled.
    ///
    /// Time in which the request's body is pending does not count, nor does time after the response's head.
    ///
    /// Progress on a tracked HTTP/1 connection is a write to it. On HTTP/2, and on connections that are not tracked,
    /// progress is the client polling the request's body, whose data may still be in the client's buffer.
    ///
    /// Fails with [`Kind::WriteTimeout`](crate::Kind::WriteTimeout).
    pub const fn write_idle(mut self, write_idle: Duration) -> Self {
        self.write_idle = Some(write_idle);
        self
    }

    /// Timeout of a download without progress: the caller polls the response's body, and the peer sends nothing.
    /// Default: disabled.
    ///
    /// Fails with [`Kind::BodyTimeout`](crate::Kind::BodyTimeout).
    pub const fn body_idle(mut self, body_idle: Duration) -> Self {
        self.body_idle = Some(body_idle);
        self
    }

    /// These timeouts; those that are not set fall back to `others`.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            attempt: self.attempt.or(others.attempt),
            first_byte: self.first_byte.or(others.first_byte),
            write_idle: self.write_idle.or(others.write_idle),
            body_idle: self.body_idle.or(others.body_idle),
        }
    }

    /// Attempt, first byte, write idle and body idle, with defaults. Zero disables a timeout.
    pub(crate) fn resolve(self) -> [Duration; 4] {
        [
            self.attempt.unwrap_or(ATTEMPT),
            self.first_byte.unwrap_or(FIRST_BYTE),
            self.write_idle.unwrap_or(WRITE_IDLE),
            self.body_idle.unwrap_or(BODY_IDLE),
        ]
    }
}
