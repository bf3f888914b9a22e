//! What is in flight on a connection, and why it closes.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::close::{CloseReason, Closed};
use super::{Connection, Use};
use crate::classify::Kind;
use crate::event::{Event, StackWarning};
use crate::exchange::Exchange;

/// The top bit of the count of exchanges in flight: the IO is gone.
pub(super) const IO_GONE: u64 = 1 << 63;

/// hyper closes a connection in the poll that follows the drop of an unread body, or not for that reason.
const DROP_GRACE: Duration = Duration::from_millis(100);

/// How the IO of a connection came to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IoEnd {
    pub(crate) end_of_file: bool,
    pub(crate) error: Option<Kind>,
    pub(crate) goaway: bool,
}

/// How it became known that a connection serves an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The connection wrote the request: this is its next use.
    Turn,
    /// The client named the connection, in a response or an error.
    Named,
}

/// What the layers above know of a connection's end before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CloseHint {
    BodyDropped = 1,
    ConnectionClose = 2,
    Http10 = 3,
    ProtocolError = 4,
    Upgraded = 5,
}

impl CloseHint {
    fn reason(code: u8) -> Option<CloseReason> {
        Some(match code {
            1 => CloseReason::BodyDropped,
            2 => CloseReason::ConnectionClose,
            3 => CloseReason::Http10,
            4 => CloseReason::ProtocolError,
            5 => CloseReason::Upgraded,
            _ => return None,
        })
    }
}

impl Connection {
    /// Says what will have closed the connection, if it closes; a later hint does not replace an earlier one.
    pub(crate) fn hint(&self, hint: CloseHint) {
        let _ = self.0.hint.compare_exchange(0, hint as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    /// An exchange on it was given up before its end.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
    }

    /// A turn by a request that no exchange stands for.
    pub(crate) fn begin_unknown_use(&self) {
        self.miss_the_layer();
        self.survived();
        self.0.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// An exchange is served by it.
    pub(crate) fn begin_use(&self, exchange: &Exchange, at: Instant, seen: Seen) -> Use {
        let inner = &*self.0;
        let number = match seen {
            _ if self.is_http2() => inner.assigned.fetch_add(1, Ordering::Relaxed) + 1,
            Seen::Turn => inner.uses.fetch_add(1, Ordering::Relaxed) + 1,
            Seen::Named => inner.uses.load(Ordering::Relaxed).max(1),
        };
        let (mut idle_time, mut ready_at) = (None, inner.opened);
        if !self.is_http2() {
            self.survived();
            let idle_since = inner.idle_since.get(inner.opened).filter(|_| number > 1);
            ready_at = idle_since.unwrap_or(inner.opened);
            if self.activate() {
                idle_time = idle_since.map(|since| at.saturating_duration_since(since));
            }
        }
        let usage = Use { number, idle_time, ready_at };
        inner.registry.emit(&Event::ConnectionAssigned { connection: self, exchange, usage: &usage });
        usage
    }

    /// An exchange that it served is over; on HTTP/2 its streams tell.
    pub(crate) fn end_use(&self, at: Instant) {
        if !self.is_http2() {
            self.release(at);
        }
    }

    /// A request went out on a stream of its own.
    pub(crate) fn begin_stream(&self) {
        self.miss_the_layer();
        self.0.uses.fetch_add(1, Ordering::Relaxed);
        self.activate();
    }

    pub(crate) fn end_stream(&self, at: Instant) {
        self.release(at);
    }

    /// A request goes out, and no exchange was ever seen.
    fn miss_the_layer(&self) {
        if !self.0.registry.has_seen_exchange() {
            self.0.registry.warn(StackWarning::Unobserved);
        }
    }

    /// One more in flight; says whether it was the only one.
    fn activate(&self) -> bool {
        let only = self.0.flight.fetch_add(1, Ordering::AcqRel) == 0;
        if only {
            self.0.registry.emit(&Event::ConnectionActive { connection: self });
        }
        only
    }

    fn release(&self, at: Instant) {
        let inner = &*self.0;
        inner.idle_since.set(inner.opened, at);
        match inner.flight.fetch_sub(1, Ordering::AcqRel) {
            1 => inner.registry.emit(&Event::ConnectionIdle { connection: self }),
            last if last == IO_GONE | 1 => self.close(true, at),
            _ => {}
        }
    }

    /// The IO is gone; the connection is closed as soon as no exchange is on it, since until then a header
    /// or a failure may still name the reason.
    ///
    /// Streams that are open are cut by it.
    pub(crate) fn io_gone(&self, end: IoEnd, open_streams: u64, at: Instant) {
        *self.0.io_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        if open_streams > 0 {
            self.cut();
            self.0.flight.fetch_sub(open_streams, Ordering::AcqRel);
        }
        if self.0.flight.fetch_or(IO_GONE, Ordering::AcqRel) == 0 {
            self.close(open_streams > 0, at);
        }
    }

    /// A new turn proves that a dropped body or a cut exchange did not cost the connection.
    fn survived(&self) {
        if self.0.cut.swap(false, Ordering::AcqRel) {
            let dropped = CloseHint::BodyDropped as u8;
            let _ = self.0.hint.compare_exchange(dropped, 0, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn close(&self, was_active: bool, at: Instant) {
        let inner = &*self.0;
        let end = inner.io_end.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let idle_for = inner.idle_since.get(inner.opened).map(|since| at.saturating_duration_since(since));
        let hint = CloseHint::reason(inner.hint.load(Ordering::Acquire)).filter(|reason| {
            // A connection that has lived on after a dropped body was not closed by it.
            let lived_on = end.end_of_file || end.error.is_some() || idle_for >= Some(DROP_GRACE);
            *reason != CloseReason::BodyDropped || !lived_on
        });
        let reason = match hint {
            Some(reason) => reason,
            None if end.goaway => CloseReason::GoAway,
            None if end.error.is_some() => CloseReason::Error,
            None if end.end_of_file => CloseReason::PeerClosed,
            None if !was_active && idle_for.is_some_and(|idle| idle >= inner.registry.idle_timeout()) => {
                CloseReason::IdleTimeout
            }
            None => CloseReason::Dropped,
        };
        let closed = Closed {
            reason,
            was_active,
            killed: inner.cut.load(Ordering::Acquire),
            error: end.error,
            lifetime: at.saturating_duration_since(inner.opened),
        };
        inner.registry.remove(self);
        inner.registry.emit(&Event::ConnectionClosed { connection: self, closed: &closed });
    }
}
