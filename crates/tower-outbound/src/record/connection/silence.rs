use std::sync::atomic::Ordering;
use std::task::Waker;

use tokio::time::Instant;

use super::{CloseHint, Connection, ConnectionIo, Retired};

/// Tells a silent connection from a slow one: counts the timeouts between reads.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Attempts in a row that timed out, with nothing read between them.
    timeouts: u32,
    /// The bytes read at the last timeout. Comparing them spares each read a store.
    bytes_in: u64,
    /// Wakes the task that reads, when the connection is retired or its server's timeout is known.
    reader: Option<Waker>,
    /// Wakes the task of an HTTP/1 connection that waits for the end of its attempt.
    pub(super) until_end: Option<Waker>,
}

impl Silence {
    /// Counts a timeout. Returns how many there were in a row.
    fn record_timeout(&mut self, bytes_in: u64) -> u32 {
        let silent = self.bytes_in == bytes_in;
        self.bytes_in = bytes_in;
        self.timeouts = if silent { self.timeouts.saturating_add(1) } else { 1 };
        self.timeouts
    }

    pub(super) fn reader(&self) -> Option<Waker> {
        self.reader.clone()
    }

    /// Returns the waker before.
    pub(super) fn set_reader(&mut self, reader: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut self.reader, reader)
    }
}

impl Connection {
    /// When the last byte was read, or the connection was opened.
    pub(crate) fn heard(&self) -> Instant {
        self.last_read().unwrap_or(self.0.opened)
    }

    /// When something was last written, if the peer owes an answer to it. On HTTP/2, where it sends other frames too, the
    /// caller knows of requests in flight.
    pub(crate) fn unanswered_since(&self) -> Option<Instant> {
        let (read, written) = (self.last_read(), self.last_write());
        if self.is_http2() {
            return written.max(read);
        }
        written.filter(|written| read.is_none_or(|read| *written > read))
    }

    /// Its reads fail from now on, unless the peer has begun to answer. On HTTP/1 the caller wakes the task that reads.
    pub(crate) fn cut(&self) {
        let mut lifecycle = self.lifecycle();
        lifecycle.hint(CloseHint::Reset);
        let reader = lifecycle.silence.reader();
        drop(lifecycle);
        self.0.cut.store(true, Ordering::Release);
        reader.into_iter().for_each(Waker::wake);
    }

    /// A timeout ends an attempt on this connection, and nothing was read since the attempt began.
    ///
    /// An HTTP/1 connection closes with the attempt. An HTTP/2 connection would go on to swallow requests, so it is
    /// retired after a number of these timeouts.
    pub(in crate::record) fn record_timeout(&self) {
        // Between the records of TLS no frame can be injected, and the protocol is unknown.
        if self.is_opaque() {
            return;
        }
        let mut lifecycle = self.lifecycle();
        if !self.is_http2() {
            lifecycle.hint(CloseHint::Silent);
            return;
        }
        let limit = self.0.retire_silent_after;
        if limit == 0
            || lifecycle.silence.record_timeout(self.bytes_in()) < limit
            || !lifecycle.retire(CloseHint::Silent)
        {
            return;
        }
        self.0.retired.set(Retired::Silent);
        let reader = lifecycle.silence.set_reader(None);
        drop(lifecycle);
        if let Some(reader) = reader {
            reader.wake();
        }
        self.flush_notifications(self.lifecycle());
    }
}

impl ConnectionIo<'_> {
    /// Whether the connection was cut; one load.
    pub(crate) fn is_cut(self) -> bool {
        self.0.0.cut.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_timeouts_count_without_reads_and_restart_after_read() {
        let mut silence = Silence::default();
        assert_eq!([0, 0, 9, 9, 9, 10].map(|read| silence.record_timeout(read)), [1, 2, 1, 2, 3, 1]);
    }
}
