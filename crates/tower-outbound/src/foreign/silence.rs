//! A connection that hears nothing while its attempts time out: half-open, as it seems.

use std::task::Waker;

use crate::record::Connection;

/// What tells a connection that has gone silent from one that lives.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// Attempts in a row that have timed out, with nothing read between them.
    strikes: u32,
    /// What had been read at the last strike, in bytes: comparing it spares every read a store.
    heard: u64,
    /// Wakes who reads, to be told that the connection is retired.
    reader: Option<Waker>,
}

impl Silence {
    /// Another attempt has timed out; returns how many that makes.
    fn strike(&mut self, bytes_in: u64) -> u32 {
        let still = self.heard == bytes_in;
        self.heard = bytes_in;
        self.strikes = if still { self.strikes.saturating_add(1) } else { 1 };
        self.strikes
    }
}

impl Connection {
    /// An attempt on it is ended by a timeout, and nothing was read since that attempt began.
    ///
    /// On HTTP/1 the connection ends with it. On HTTP/2 it would go on to swallow requests.
    pub(crate) fn strike(&self) {
        // Nothing can be put between records of TLS, and what it speaks is not known.
        if self.is_opaque() {
            return;
        }
        if !self.is_http2() {
            return self.blame_silence();
        }
        let limit = self.0.retire_silent_after;
        let mut flight = self.flight();
        if limit == 0 || flight.silence.strike(self.bytes_in()) < limit || !flight.retire() {
            return;
        }
        self.retire();
        let reader = flight.silence.reader.take();
        drop(flight);
        if let Some(reader) = reader {
            reader.wake();
        }
        self.tell_rest();
    }

    /// Who reads is woken when the connection is retired.
    pub(crate) fn wake_reader(&self, reader: Waker) {
        let before = self.flight().silence.reader.replace(reader);
        drop(before);
    }

    /// Nobody reads any more.
    pub(crate) fn forget_reader(&self) {
        let reader = self.flight().silence.reader.take();
        drop(reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_strikes_count_without_reads_and_restart_after_read() {
        let mut silence = Silence::default();
        assert_eq!([0, 0, 9, 9, 9, 10].map(|read| silence.strike(read)), [1, 2, 1, 2, 3, 1]);
    }
}
