use std::sync::atomic::Ordering;
use std::task::Waker;

use tokio::time::Instant;

use super::{CloseHint, Connection, IoEnd, Protocol};
use crate::event::StackWarning;

/// A connection, as its IO writes to it.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionIo<'a>(pub(super) &'a Connection);

impl ConnectionIo<'_> {
    pub(crate) fn set_protocol(self, protocol: Protocol) {
        self.0.store_protocol(protocol);
    }

    /// TLS runs above the IO: neither turns nor frames are visible, so the attempts themselves are counted.
    pub(crate) fn set_opaque(self) {
        self.0.0.opaque.store(true, Ordering::Relaxed);
    }

    #[cfg(feature = "tonic-channel")]
    pub(crate) fn is_opaque(self) -> bool {
        self.0.is_opaque()
    }

    pub(crate) fn count_read(self, bytes: usize, at: Instant) {
        let inner = &*self.0.0;
        inner.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        inner.last_read.set(inner.opened, at);
    }

    pub(crate) fn count_written(self, bytes: usize, at: Instant) {
        let inner = &*self.0.0;
        inner.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        inner.last_write.set(inner.opened, at);
    }

    /// A turn of a request that belongs to no attempt.
    pub(crate) fn record_foreign_use(self) {
        self.warn_if_unobserved();
        self.0.lifecycle().record_foreign_use();
    }

    /// A request was sent on a stream of its own.
    pub(crate) fn begin_stream(self) {
        self.warn_if_unobserved();
        let mut lifecycle = self.0.lifecycle();
        lifecycle.begin_stream();
        self.0.flush_notifications(lifecycle);
    }

    pub(crate) fn end_stream(self, at: Instant) {
        let inner = &*self.0.0;
        let mut lifecycle = self.0.lifecycle();
        lifecycle.end_use(inner.opened, at, inner.registry.settings().idle_timeout);
        self.0.flush_notifications(lifecycle);
    }

    /// Records a probable close reason. The first one wins.
    pub(crate) fn hint(self, hint: CloseHint) {
        self.0.hint(hint);
    }

    /// The peer has sent GOAWAY.
    pub(crate) fn goaway_received(self) {
        self.0.lifecycle().goaway_received();
    }

    /// A GOAWAY, the peer's or an injected one, leaves out requests that the client accepted after this sequence number.
    pub(crate) fn exclude_after(self, sequence: u64) {
        self.0.0.goaway_after.fetch_min(sequence, Ordering::AcqRel);
    }

    /// Whether the bytes of an upgraded connection are not HTTP any more.
    pub(crate) fn is_upgraded(self) -> bool {
        self.0.is_upgraded()
    }

    /// Whether the response of this turn is complete, so that further bytes belong to no request.
    pub(crate) fn is_response_complete(self, turn: u64) -> bool {
        let complete = self.0.0.response_complete.load(Ordering::Acquire);
        turn > 0 && complete == turn && !self.0.is_upgraded()
    }

    /// Whether the connection may be retired for silence.
    pub(crate) fn may_retire(self) -> bool {
        self.0.0.retire_silent_after > 0
    }

    /// Whether the connection is retired; one load.
    pub(crate) fn is_retired(self) -> bool {
        self.0.0.retired.load(Ordering::Acquire)
    }

    /// The task that reads, to be woken when the connection is retired.
    pub(crate) fn set_reader(self, reader: Option<Waker>) {
        let before = self.0.lifecycle().silence.set_reader(reader);
        drop(before);
    }

    /// The IO has ended: the pool does not use the connection any more, even before the client's own task has noticed.
    pub(crate) fn leave_pool(self) {
        if let Some(handle) = self.0.0.registry.pool_handle_of(self.0) {
            handle.poison();
        }
    }

    /// The IO is dropped, with this many streams open.
    pub(crate) fn closed(self, end: IoEnd, open_streams: u64, at: Instant) {
        let inner = &*self.0.0;
        self.0.origin().changes().connection_ended(at);
        let mut lifecycle = self.0.lifecycle();
        lifecycle.end(end, open_streams, inner.opened, at, inner.registry.settings().idle_timeout);
        self.0.flush_notifications(lifecycle);
    }

    /// A request is sent, and no attempt was ever observed.
    fn warn_if_unobserved(self) {
        let registry = &self.0.0.registry;
        if !registry.has_seen_attempt() {
            registry.warn(StackWarning::Unobserved);
        }
    }
}
