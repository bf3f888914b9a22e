//! The timeouts of an attempt.

use std::time::Duration;

/// Timeout of a whole attempt: disabled, since the right value depends on the server and on the size of the bodies.
const ATTEMPT: Duration = Duration::ZERO;

/// Timeout from the end of the request to the response's head: that of common proxies (nginx's `proxy_read_timeout`).
const FIRST_BYTE: Duration = Duration::from_secs(60);

/// Timeout of an upload without progress: as above.
const WRITE_IDLE: Duration = Duration::from_secs(60);

/// Timeout of a download without progress: as above.
const BODY_IDLE: Duration = Duration::from_secs(60);

/// The timeouts of a call and of its attempts.
///
/// [`OutboundBuilder::timeouts`](crate::outbound::OutboundBuilder::timeouts) and
/// [`ObserveLayer::timeouts`](crate::observe::ObserveLayer::timeouts) set them for all requests; a value in a request's
/// extensions ([`RequestExt::timeouts`](crate::RequestExt::timeouts)) sets them for that request. Timeouts that a
/// request does not set fall back to the layer's.
///
/// `Duration::ZERO` disables a timeout. The resolution is one millisecond. Timeouts need a tokio runtime with its time
/// driver enabled, and are disabled elsewhere.
///
/// | timeout | default |
/// | --- | --- |
/// | [`call`](Self::call) | none |
/// | [`attempt`](Self::attempt) | none |
/// | [`first_byte`](Self::first_byte) | 60 s |
/// | [`write_idle`](Self::write_idle) | 60 s |
/// | [`body_idle`](Self::body_idle) | 60 s |
///
/// # Silence
/// The defaults of `first_byte` and `body_idle` do not apply where a peer may be silent for long:
///
/// - gRPC, by the request's `content-type`;
/// - server-sent events: `text/event-stream` in the request's `accept`, or as the response's `content-type`;
/// - an upgraded connection or a tunnel, after the head of its response;
/// - requests that are marked as [`Streaming`], such as a watch or a long poll.
///
/// A value that is set applies to them too. A peer that is gone is found by TCP: see
/// [`TcpConnector::tcp_user_timeout`](crate::connect::TcpConnector::tcp_user_timeout) and
/// [`keepalive`](crate::connect::TcpConnector::keepalive).
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
    call: Option<Duration>,
    attempt: Option<Duration>,
    first_byte: Option<Duration>,
    write_idle: Option<Duration>,
    body_idle: Option<Duration>,
}

impl Timeouts {
    /// Leaves every timeout at its default, or at the value of the layer.
    pub const fn new() -> Self {
        Self { call: None, attempt: None, first_byte: None, write_idle: None, body_idle: None }
    }

    /// Timeout of the whole call, from its first poll to the end of the response's body: all attempts, the waits between
    /// them, and the time in which the caller does not read the body. Default: disabled.
    ///
    /// It is a [`Deadline`](crate::Deadline) of the call. Fails with
    /// [`Kind::DeadlineExceeded`](crate::Kind::DeadlineExceeded).
    pub const fn call(mut self, call: Duration) -> Self {
        self.call = Some(call);
        self
    }

    /// The timeout of the call; `None` if it is disabled.
    pub(crate) fn of_call(&self) -> Option<Duration> {
        self.call.filter(|call| !call.is_zero())
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

    /// Timeout from the end of the request to the end of the response's head. Default: 60 s, except where
    /// [silence](Self#silence) is normal.
    ///
    /// The upload does not count, nor does waiting for one of the streams that an HTTP/2 peer allows. A head that arrives byte by byte does not extend the timeout.
    ///
    /// Fails with [`Kind::ResponseTimeout`](crate::Kind::ResponseTimeout).
    pub const fn first_byte(mut self, first_byte: Duration) -> Self {
        self.first_byte = Some(first_byte);
        self
    }

    /// Timeout of an upload without progress: the client has data to send, and the peer accepts none. Default: 60 s.
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
    /// Default: 60 s, except where [silence](Self#silence) is normal.
    ///
    /// Fails with [`Kind::BodyTimeout`](crate::Kind::BodyTimeout).
    pub const fn body_idle(mut self, body_idle: Duration) -> Self {
        self.body_idle = Some(body_idle);
        self
    }

    /// These timeouts; those that are not set fall back to `others`.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            call: self.call.or(others.call),
            attempt: self.attempt.or(others.attempt),
            first_byte: self.first_byte.or(others.first_byte),
            write_idle: self.write_idle.or(others.write_idle),
            body_idle: self.body_idle.or(others.body_idle),
        }
    }

    /// The keys of the timeouts that are set.
    pub(crate) fn keys(&self) -> Vec<&'static str> {
        let keys = [
            ("timeouts.call", self.call),
            ("timeouts.attempt", self.attempt),
            ("timeouts.first_byte", self.first_byte),
            ("timeouts.write_idle", self.write_idle),
            ("timeouts.body_idle", self.body_idle),
        ];
        keys.into_iter().filter_map(|(key, timeout)| timeout.map(|_| key)).collect()
    }

    /// Whether these timeouts set the one of the response's body.
    pub(crate) const fn sets_body_idle(&self) -> bool {
        self.body_idle.is_some()
    }

    /// Whether a default applies that depends on [`Silence`].
    pub(crate) const fn depend_on_silence(&self) -> bool {
        self.first_byte.is_none() || self.body_idle.is_none()
    }

    /// The timeouts with their defaults.
    pub(crate) fn resolve(self, silence: Silence) -> AttemptTimeouts {
        let default = |timeout| if silence == Silence::Normal { Duration::ZERO } else { timeout };
        AttemptTimeouts {
            attempt: self.attempt.unwrap_or(ATTEMPT),
            first_byte: self.first_byte.unwrap_or(default(FIRST_BYTE)),
            write_idle: self.write_idle.unwrap_or(WRITE_IDLE),
            body_idle: self.body_idle.unwrap_or(default(BODY_IDLE)),
        }
    }
}

/// What it means that a peer is silent for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing: the peer has nothing to say.
    Normal,
    /// A fault, by default.
    Fault,
}

/// The timeouts of one attempt. Zero disables a timeout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptTimeouts {
    pub(crate) attempt: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) write_idle: Duration,
    pub(crate) body_idle: Duration,
}

impl AttemptTimeouts {
    /// The shortest timeout before the response's head.
    pub(crate) fn before_head(&self) -> Option<Duration> {
        shortest([self.attempt, self.write_idle, self.first_byte])
    }

    /// The shortest timeout after the response's head.
    pub(crate) fn after_head(&self) -> Option<Duration> {
        shortest([self.attempt, self.body_idle])
    }
}

fn shortest<const N: usize>(timeouts: [Duration; N]) -> Option<Duration> {
    let shorter = |a: Duration, b: Duration| if b.is_zero() || (a < b && !a.is_zero()) { a } else { b };
    let shortest = timeouts.into_iter().fold(Duration::ZERO, shorter);
    if shortest.is_zero() { None } else { Some(shortest) }
}

/// Marks a request to which the peer may be silent for long, such as a watch or a long poll: the defaults of
/// [`first_byte`](Timeouts::first_byte) and [`body_idle`](Timeouts::body_idle) do not apply.
///
/// [`RequestExt::streaming`](crate::RequestExt::streaming) puts it into a request's extensions.
///
/// # Example
/// ```
/// use tower_outbound::RequestExt;
///
/// let watch = http::Request::get("http://localhost/pods?watch=true").body(String::new()).unwrap().streaming();
/// # let _ = watch;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaming;
