//! The timeouts of an attempt.

use std::time::Duration;

/// What an attempt may take unless set.
const ATTEMPT: Duration = Duration::ZERO;
/// How long a response may be waited for unless set.
const FIRST_BYTE: Duration = Duration::ZERO;
/// How long the peer may take nothing of a request unless set.
const WRITE_IDLE: Duration = Duration::ZERO;
/// How long the peer may send nothing of a body unless set.
const BODY_IDLE: Duration = Duration::ZERO;

/// The timeouts of an attempt: for all by [`OutboundBuilder::timeouts`](crate::outbound::OutboundBuilder::timeouts)
/// or [`ObserveLayer::timeouts`](crate::observe::ObserveLayer::timeouts), for one in its request's extensions.
///
/// What a request does not set is as it is for all. Zero is off, which is the default of each. They count to the
/// millisecond, and need a runtime of tokio with its time enabled: on another they are off.
///
/// The attempt ends when a limit is hit: an HTTP/1 connection is closed, on HTTP/2 the stream is reset. The error is
/// an [`Error`] of the kind that is told with each limit, with a [`TimeoutError`] as its source, and
/// [`Attempt::connection_was_silent`] says whether the connection has heard anything meanwhile. An HTTP/2 connection
/// that hears nothing again and again is retired:
/// [`OutboundBuilder::retire_silent_after`](crate::outbound::OutboundBuilder::retire_silent_after).
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower_outbound::Outbound;
/// use tower_outbound::timeouts::Timeouts;
///
/// let limits = Timeouts::new().attempt(Duration::from_secs(60)).first_byte(Duration::from_secs(10));
/// let outbound = Outbound::builder().timeouts(limits).build();
///
/// // One that may take longer.
/// let mut request = http::Request::get("http://localhost/report").body(String::new()).unwrap();
/// request.extensions_mut().insert(Timeouts::new().first_byte(Duration::from_secs(90)));
/// # let _ = outbound;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "limits do nothing unless given to a layer or a request"]
pub struct Timeouts {
    attempt: Option<Duration>,
    first_byte: Option<Duration>,
    write_idle: Option<Duration>,
    body_idle: Option<Duration>,
}

impl Timeouts {
    /// Nothing set.
    pub const fn new() -> Self {
        Self { attempt: None, first_byte: None, write_idle: None, body_idle: None }
    }

    /// The whole attempt, from its first poll to the end of the response's body, the caller's own share included:
    /// off unless set; zero is off.
    ///
    /// [`Kind::ResponseTimeout`](crate::Kind::ResponseTimeout) before the response's head,
    /// [`Kind::BodyTimeout`](crate::Kind::BodyTimeout) after it.
    pub const fn attempt(mut self, attempt: Duration) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// From the request being sent whole to the response's head, so that one which drips is cut off too: off unless
    /// set; zero is off. An upload takes the time that it takes.
    ///
    /// [`Kind::ResponseTimeout`](crate::Kind::ResponseTimeout).
    pub const fn first_byte(mut self, first_byte: Duration) -> Self {
        self.first_byte = Some(first_byte);
        self
    }

    /// How long the peer may take nothing of the request, while the client has some of it to send and no response is
    /// there: off unless set; zero is off. Time in which the request's body has nothing to give does not count.
    ///
    /// [`Kind::WriteTimeout`](crate::Kind::WriteTimeout). On HTTP/2, and where connections are not tracked, only the
    /// request's body shows what the peer takes: what the client has taken of it, it may still hold.
    pub const fn write_idle(mut self, write_idle: Duration) -> Self {
        self.write_idle = Some(write_idle);
        self
    }

    /// How long the peer may send nothing of the response's body, while the caller waits for it: off unless set;
    /// zero is off.
    ///
    /// [`Kind::BodyTimeout`](crate::Kind::BodyTimeout).
    pub const fn body_idle(mut self, body_idle: Duration) -> Self {
        self.body_idle = Some(body_idle);
        self
    }

    /// These, and the others where these say nothing.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            attempt: self.attempt.or(others.attempt),
            first_byte: self.first_byte.or(others.first_byte),
            write_idle: self.write_idle.or(others.write_idle),
            body_idle: self.body_idle.or(others.body_idle),
        }
    }

    /// Attempt, first byte, write idle and body idle; zero is off.
    pub(crate) fn resolve(self) -> [Duration; 4] {
        [
            self.attempt.unwrap_or(ATTEMPT),
            self.first_byte.unwrap_or(FIRST_BYTE),
            self.write_idle.unwrap_or(WRITE_IDLE),
            self.body_idle.unwrap_or(BODY_IDLE),
        ]
    }
}
