//! A connection that is open, and serves no further request.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use super::{CloseHint, Connection, ConnectionIo};

/// How a connection is retired. Its IO ends it when nothing uses it: with a GOAWAY on HTTP/2, the end of file on HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Retired {
    /// The requests in flight are lost too, unless the peer sends something.
    Silent = 1,
    /// The requests in flight complete.
    Whole = 2,
}

/// Whether a connection is retired.
#[derive(Debug, Default)]
pub(super) struct Retirement(AtomicU8);

impl Retirement {
    pub(super) fn set(&self, retired: Retired) {
        self.0.store(retired as u8, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    fn is(&self, retired: Retired) -> bool {
        self.0.load(Ordering::Acquire) == retired as u8
    }
}

impl Connection {
    /// Retires the connection. Returns whether an attempt uses it; `None` if it was draining or closed before.
    pub(in crate::record) fn retire(&self, hint: CloseHint) -> Option<bool> {
        let mut lifecycle = self.lifecycle();
        if !lifecycle.retire(hint) {
            return None;
        }
        self.0.retired.set(Retired::Whole);
        let busy = lifecycle.unused_since(self.0.opened).is_none();
        // The end of the last use wakes the task otherwise.
        let reader = (self.is_http2() || !busy).then(|| lifecycle.silence.reader()).flatten();
        self.flush_notifications(lifecycle);
        reader.into_iter().for_each(Waker::wake);
        Some(busy)
    }

    /// Whether the connection is retired; one load.
    pub(super) fn is_retired(&self) -> bool {
        self.0.retired.is_set()
    }

    /// Whether the only GOAWAY that the client has read leaves no stream out (HTTP/2): a request that fails with it was never
    /// sent.
    pub(in crate::record) fn is_retired_by_client(&self) -> bool {
        self.0.retired.is(Retired::Whole) && self.goaway_last() == u32::MAX
    }
}

impl ConnectionIo<'_> {
    /// Whether the connection is retired; one load.
    pub(crate) fn is_retired(self) -> bool {
        self.0.is_retired()
    }

    /// Whether the connection is retired for silence; one load.
    pub(crate) fn is_retired_as_silent(self) -> bool {
        self.0.0.retired.is(Retired::Silent)
    }
}
