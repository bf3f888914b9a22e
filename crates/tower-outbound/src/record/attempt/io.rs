use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Attempt;
use super::association::associate;
use super::marks::Marks;
use super::write_progress::WriteEnd;
use crate::record::{Connection, Setup, UseEvidence};

/// An attempt, as the IO of a connection and the connector write to it.
#[derive(Clone, Copy)]
pub(crate) struct AttemptIo<'a>(pub(super) &'a Attempt);

impl AttemptIo<'_> {
    /// The connector is not ready, so the attempt waits for it without a setup.
    pub(crate) fn awaits_connector(self) {
        self.0.0.awaits_connector.store(true, Ordering::Release);
    }

    /// A setup that the attempt started has led to a connection. If another connection already serves, the setup was
    /// wasted.
    pub(crate) fn setup_connected(self, setup: &Setup, connection: &Connection) {
        let serving = self.0.connection();
        if serving.is_some_and(|serving| serving.id() != connection.id()) {
            setup.mark_wasted(self.0);
        }
    }

    /// An HTTP/1 connection begins to write the request. `false` if the attempt has ended.
    pub(crate) fn begin_request(self, connection: &Connection) -> bool {
        let inner = &*self.0.0;
        // hyper takes the request, and maybe the body, in the poll that writes it: one read of the clock is enough.
        let Marks { body_sent, accepted, .. } = &inner.marks;
        let taken = if accepted.nanos() < body_sent.nanos() { body_sent } else { accepted };
        let at = taken.get(inner.start).unwrap_or_else(Instant::now);
        if !self.0.is_ended() {
            match taken.is_set() {
                true => inner.marks.send_start.copy(taken),
                false => inner.marks.send_start.set(inner.start, at),
            }
            inner.marks.send_end.clear();
            inner.marks.first_byte.clear();
            inner.marks.blocked.clear();
        }
        let live = associate(self.0, connection, at, UseEvidence::Turn);
        if live {
            inner.write.begin_turn();
        }
        live
    }

    /// The HEADERS of the request were written (HTTP/2).
    pub(crate) fn stream_opened(self, stream: u32, at: Instant) {
        let inner = &*self.0.0;
        inner.stream.open(stream);
        if !self.0.is_ended() {
            inner.marks.send_start.set(inner.start, at);
        }
    }

    /// The stream of the request is not known any more: its HEADERS may be out (HTTP/2).
    pub(crate) fn stream_lost(self) {
        self.0.0.stream.forget();
    }

    /// A connection is about to write this many bytes of the request, or to flush. `false` if the request was reported: the
    /// connection must not write it. Otherwise one of the three methods below follows.
    #[inline]
    pub(crate) fn try_write(self, offered: u64) -> bool {
        self.0.0.write.try_write(offered)
    }

    /// The write, or flush, is pending.
    #[inline]
    pub(crate) fn write_pending(self, offered: u64) {
        self.0.0.write.end_write(offered, WriteEnd::Nothing);
    }

    /// The write returned this many bytes. Returns whether the whole request was written: then a flush ends the write.
    #[inline]
    pub(crate) fn written(self, offered: u64, bytes: u64, at: Instant) -> bool {
        let inner = &*self.0.0;
        let whole = bytes == offered && self.is_request_complete();
        if !whole {
            inner.write.end_write(offered.saturating_sub(bytes), WriteEnd::Touched);
        }
        self.unblocked();
        if !inner.marks.first_byte.is_set() && !inner.marks.end.is_set() {
            inner.marks.send_end.set(inner.start, at);
        }
        whole
    }

    /// The write failed. `lost`: a part of the request may have been sent all the same.
    pub(crate) fn write_failed(self, offered: u64, lost: bool) {
        self.0.0.write.end_write(offered, if lost { WriteEnd::Touched } else { WriteEnd::Nothing });
    }

    /// The client has flushed everything that it had. Returns whether that was the whole request.
    #[inline]
    pub(crate) fn flushed(self) -> bool {
        let complete = self.is_request_complete();
        self.unblocked();
        self.0.0.write.end_write(0, if complete { WriteEnd::Complete } else { WriteEnd::Nothing });
        complete
    }

    /// The socket accepts no more bytes for now.
    #[inline]
    pub(crate) fn blocked(self) {
        let inner = &*self.0.0;
        if !inner.marks.blocked.is_set() {
            inner.marks.blocked.set_once(inner.start, Instant::now());
        }
    }

    /// The socket accepts bytes again.
    #[inline]
    pub(crate) fn unblocked(self) {
        let marks = &self.0.0.marks;
        if marks.blocked.is_set() {
            marks.blocked.clear();
        }
    }

    /// The first byte of the response was read. `still_writing`: the request is not wholly written.
    #[inline]
    pub(crate) fn first_byte(self, at: Instant, still_writing: bool) {
        let inner = &*self.0.0;
        let early = still_writing || !inner.marks.body_sent.is_set();
        if !self.0.is_ended() && inner.marks.first_byte.set_once(inner.start, at) && early {
            inner.answered_early.store(true, Ordering::Release);
        }
    }

    /// Whether the client took the whole body.
    #[inline]
    pub(crate) fn is_request_complete(self) -> bool {
        self.0.0.marks.body_sent.is_set()
    }

    /// Whether the attempt has failed, so that nothing more of its request may be written.
    #[inline]
    pub(crate) fn is_sealed(self) -> bool {
        self.0.0.write.is_sealed()
    }
}
