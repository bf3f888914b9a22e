//! Since when nobody uses a connection, and its end for that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{CloseHint, Connection, ConnectionIo, Retired};
use crate::timer::Timers;

/// The most that a connection is closed before its server closes it. A request needs less to reach the server.
const MARGIN: Duration = Duration::from_secs(1);
/// How long after the last byte a use must end for the server's deadline to be looked at again.
const LATE: Duration = Duration::from_millis(50);
/// A timer of no duration would be none.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long the server keeps an idle connection, less a margin, in nanoseconds; 0 if it did not say.
#[derive(Debug, Default)]
pub(super) struct KeepAlive(AtomicU64);

impl KeepAlive {
    fn get(&self) -> Option<Duration> {
        Some(self.0.load(Ordering::Acquire)).filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    /// Whether the server said it.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Returns whether this is a change.
    fn set(&self, timeout: Duration) -> bool {
        let kept = timeout.saturating_sub(MARGIN.min(timeout / 2)).max(SHORTEST);
        let nanos = u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX);
        self.0.swap(nanos, Ordering::AcqRel) != nanos
    }
}

impl Connection {
    /// Whether a use that ends at this time ends so long after the last byte that the server's time is shorter than it looks.
    pub(super) fn ends_late(&self, at: Instant) -> bool {
        let late = |read| at.saturating_duration_since(read) >= LATE;
        self.0.keep_alive.is_set() && self.last_read().is_some_and(late)
    }
}

impl<'a> ConnectionIo<'a> {
    pub(crate) fn timers(self) -> &'a Timers {
        self.0.0.registry.timers()
    }

    /// Since when no attempt uses the connection; `None` if one does.
    pub(crate) fn unused_since(self) -> Option<Instant> {
        self.0.lifecycle().unused_since(self.0.0.opened)
    }

    /// Since when no attempt that goes on uses the connection; `None` if one does.
    pub(crate) fn abandoned_since(self) -> Option<Instant> {
        self.0.lifecycle().abandoned_since(self.0.0.opened)
    }

    /// Whether only streams of attempts that have ended use the connection (HTTP/2): the client waits to reset them.
    pub(crate) fn has_ended_streams_only(self) -> bool {
        self.0.is_http2() && !self.0.origin().has_attempts() && !self.0.lifecycle().serves_others
    }

    /// Whether a pool of this crate closes the connection when it is idle for too long.
    pub(crate) fn is_pooled(self) -> bool {
        self.0.is_of_own_pool()
    }

    /// How long the connection may be idle for its server, since the last byte was read.
    pub(crate) fn keep_alive(self) -> Option<Duration> {
        self.0.0.keep_alive.get()
    }

    /// When the connection has been idle for too long; `None` if an attempt uses it. Zero is no timeout.
    pub(crate) fn idle_deadline(self, idle_timeout: Duration) -> Option<Instant> {
        let unused = self.unused_since()?;
        let own = Some(idle_timeout).filter(|timeout| !timeout.is_zero());
        let own = own.and_then(|timeout| unused.checked_add(timeout));
        // The server's clock starts when it has sent its response.
        let read = self.0.last_read().unwrap_or(unused);
        let server = self.keep_alive().and_then(|timeout| read.checked_add(timeout));
        own.into_iter().chain(server).min()
    }

    /// As [`idle_deadline`](Self::idle_deadline) if the server's time has run while a caller had the response. A timer that was
    /// armed meanwhile may be later.
    pub(crate) fn late_deadline(self, idle_timeout: Duration) -> Option<Instant> {
        self.keep_alive()?;
        let late = self.unused_since().is_some_and(|since| self.0.ends_late(since));
        if late { self.idle_deadline(idle_timeout) } else { None }
    }

    /// The connection is idle for too long. `false` if an attempt uses it.
    pub(crate) fn expire(self) -> bool {
        self.0.lifecycle().give_up(CloseHint::IdleTimeout)
    }

    /// The connection is idle for too long, on HTTP/2: the client is to learn it from a GOAWAY.
    pub(crate) fn retire_idle(self) {
        if self.expire() {
            self.0.0.retired.set(Retired::Whole);
        }
    }

    /// The peer of the unused connection takes no bytes.
    pub(crate) fn give_up(self) {
        self.leave_pool();
        let mut lifecycle = self.0.lifecycle();
        if !lifecycle.give_up(CloseHint::Silent) {
            lifecycle.hint(CloseHint::Silent);
        }
    }

    /// The server closes the connection when it is idle for this long.
    pub(crate) fn set_keep_alive(self, timeout: Duration) {
        if !self.0.0.keep_alive.set(timeout) {
            return;
        }
        // The task that reads has a timer for the time before.
        let reader = self.0.lifecycle().silence.reader();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alive_margin_is_1_s_and_half_at_most() {
        let keep_alive = KeepAlive::default();
        assert_eq!(keep_alive.get(), None);
        for (seconds, millis) in [(60, 59_000), (2, 1_000), (1, 500), (0, 1)] {
            assert!(keep_alive.set(Duration::from_secs(seconds)));
            assert!(!keep_alive.set(Duration::from_secs(seconds)));
            assert_eq!(keep_alive.get(), Some(Duration::from_millis(millis)));
        }
    }
}
