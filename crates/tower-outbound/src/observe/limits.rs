//! The time limits of an exchange.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::classify::Failure;
use crate::error::{Error, TimeLimit, TimeLimitError};
use crate::event::Outcome;
use crate::exchange::{EndCause, Exchange};
use crate::timer::Limit;

/// What an exchange may take unless set.
const ATTEMPT: Duration = Duration::ZERO;
/// How long a response may be waited for unless set.
const FIRST_BYTE: Duration = Duration::ZERO;
/// How long the peer may take nothing of a request unless set.
const WRITE_IDLE: Duration = Duration::ZERO;
/// How long the peer may send nothing of a body unless set.
const BODY_IDLE: Duration = Duration::ZERO;

/// The time limits of an exchange: for all by [`OutboundBuilder::time_limits`](crate::OutboundBuilder::time_limits)
/// or [`ObserveLayer::time_limits`](crate::ObserveLayer::time_limits), for one in its request's extensions.
///
/// What a request does not set is as it is for all. Zero is off, which is the default of each. They count to the
/// millisecond, and need a runtime of tokio with its time enabled: on another they are off.
///
/// The exchange ends when a limit is hit: an HTTP/1 connection is closed, on HTTP/2 the stream is reset. The error is
/// an [`Error`] of the kind that is told with each limit, with a [`TimeLimitError`] as its source, and
/// [`Exchange::connection_was_silent`] says whether the connection has heard anything meanwhile. An HTTP/2 connection
/// that hears nothing again and again is retired:
/// [`OutboundBuilder::retire_silent_after`](crate::OutboundBuilder::retire_silent_after).
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower_outbound::{Outbound, TimeLimits};
///
/// let limits = TimeLimits::new().attempt(Duration::from_secs(60)).first_byte(Duration::from_secs(10));
/// let outbound = Outbound::builder().time_limits(limits).build();
///
/// // One that may take longer.
/// let mut request = http::Request::get("http://localhost/report").body(String::new()).unwrap();
/// request.extensions_mut().insert(TimeLimits::new().first_byte(Duration::from_secs(90)));
/// # let _ = outbound;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "limits do nothing unless given to a layer or a request"]
pub struct TimeLimits {
    attempt: Option<Duration>,
    first_byte: Option<Duration>,
    write_idle: Option<Duration>,
    body_idle: Option<Duration>,
}

impl TimeLimits {
    /// Nothing set.
    pub const fn new() -> Self {
        Self { attempt: None, first_byte: None, write_idle: None, body_idle: None }
    }

    /// The whole exchange, from its first poll to the end of the response's body, the caller's own share included:
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
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            attempt: self.attempt.or(others.attempt),
            first_byte: self.first_byte.or(others.first_byte),
            write_idle: self.write_idle.or(others.write_idle),
            body_idle: self.body_idle.or(others.body_idle),
        }
    }

    /// `None` where all are off.
    pub(super) fn watch(self) -> Option<Box<Watch>> {
        let limits = [
            self.attempt.unwrap_or(ATTEMPT),
            self.first_byte.unwrap_or(FIRST_BYTE),
            self.write_idle.unwrap_or(WRITE_IDLE),
            self.body_idle.unwrap_or(BODY_IDLE),
        ];
        if limits.iter().all(Duration::is_zero) {
            return None;
        }
        let [attempt, first_byte, write_idle, body_idle] = limits.map(Limit::new);
        Some(Box::new(Watch { attempt, first_byte, write_idle, body_idle, waits_since: None }))
    }
}

/// The limits of one exchange. Boxed, so that an exchange without limits carries a word.
#[derive(Debug)]
pub(super) struct Watch {
    attempt: Limit,
    first_byte: Limit,
    write_idle: Limit,
    body_idle: Limit,
    /// Since when the caller waits for a frame.
    waits_since: Option<Instant>,
}

impl Watch {
    pub(super) fn watches_writes(&self) -> bool {
        !self.write_idle.after().is_zero()
    }

    /// The limit that is hit, before the response's head.
    pub(super) fn poll_head(&mut self, exchange: &Exchange, cx: &mut Context<'_>) -> Option<TimeLimitError> {
        let timers = exchange.registry().timers();
        let hit = if self.attempt.poll(timers, cx, || Some(exchange.start_time())) {
            TimeLimit::Attempt
        } else if self.write_idle.poll(timers, cx, || exchange.stuck_since()) {
            TimeLimit::WriteIdle
        } else if self.first_byte.poll(timers, cx, || exchange.waits_since()) {
            TimeLimit::FirstByte
        } else {
            return None;
        };
        Some(self.error(hit))
    }

    /// The response's head is there.
    pub(super) fn head(&mut self) {
        self.first_byte = Limit::new(Duration::ZERO);
        self.write_idle = Limit::new(Duration::ZERO);
    }

    /// The limit that is hit, while the caller waits for a frame.
    pub(super) fn poll_body(&mut self, exchange: &Exchange, cx: &mut Context<'_>) -> Option<TimeLimitError> {
        let timers = exchange.registry().timers();
        if self.attempt.poll(timers, cx, || Some(exchange.start_time())) {
            return Some(self.error(TimeLimit::Attempt));
        }
        if self.body_idle.after().is_zero() {
            return None;
        }
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        self.body_idle.poll(timers, cx, || Some(since)).then(|| self.error(TimeLimit::BodyIdle))
    }

    /// A frame is there: the limit that is hit all the same.
    pub(super) fn frame(&mut self, exchange: &Exchange) -> Option<TimeLimitError> {
        self.waits_since = None;
        self.attempt.is_over(exchange.start_time()).then(|| self.error(TimeLimit::Attempt))
    }

    fn error(&self, limit: TimeLimit) -> TimeLimitError {
        let after = match limit {
            TimeLimit::FirstByte => self.first_byte.after(),
            TimeLimit::WriteIdle => self.write_idle.after(),
            TimeLimit::BodyIdle => self.body_idle.after(),
            _ => self.attempt.after(),
        };
        TimeLimitError::new(limit, after)
    }
}

/// Ends the exchange, so that what is dropped next knows why.
pub(super) fn cut(exchange: &Exchange, hit: TimeLimitError) -> Error {
    exchange.call().set_end_cause(EndCause::AttemptTimeout);
    exchange.look_for_silence(hit.limit() == TimeLimit::WriteIdle);
    let failure = Failure::new(hit.limit().kind()).in_exchange(|| exchange.failing_phase()).sent_by(exchange);
    exchange.finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(exchange.clone()), hit.into())
}
