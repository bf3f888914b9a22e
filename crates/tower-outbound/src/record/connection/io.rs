use std::sync::atomic::Ordering;
use std::task::Waker;

use tokio::time::Instant;

use super::{CloseHint, Connection, IoEnd, Protocol};
use crate::event::StackWarning;
use crate::failure::{Failure, Kind};
use crate::record::WeakAttempt;

/// A connection, as its IO writes to it.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionIo<'a>(pub(super) &'a Connection);

impl<'a> ConnectionIo<'a> {
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

    #[inline]
    pub(crate) fn count_read(self, bytes: usize, at: Instant) {
        let inner = &*self.0.0;
        inner.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        inner.last_read.set(inner.opened, at);
    }

    #[inline]
    pub(crate) fn count_written(self, bytes: usize, at: Instant) {
        let inner = &*self.0.0;
        inner.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        inner.last_write.set(inner.opened, at);
    }

    /// A turn of a request that belongs to no attempt. `seen`: it belonged to one that has ended.
    pub(crate) fn record_foreign_use(self, seen: bool) {
        self.warn_if_unobserved();
        self.0.lifecycle().record_foreign_use(seen);
    }

    /// The HEADERS of a request were written. Returns the attempt of the request, if it is known.
    pub(crate) fn begin_stream(self, stream: u32, sequence: u64, at: Instant) -> Option<WeakAttempt> {
        self.warn_if_unobserved();
        let inner = &*self.0.0;
        if inner.last_stream_opened.swap(sequence, Ordering::AcqRel) == 0 {
            inner.first_stream_opened.store(sequence, Ordering::Release);
        }
        let mut lifecycle = self.0.lifecycle_of_use();
        let attempt = lifecycle.begin_stream(stream, sequence, at);
        lifecycle.serves_others |= attempt.is_none() && !self.0.origin().has_attempts();
        let lost = lifecycle.acceptances.take_lost();
        self.0.flush_notifications(lifecycle);
        for attempt in lost.iter().filter_map(WeakAttempt::upgrade) {
            attempt.io().stream_lost();
        }
        if let Some(attempt) = attempt.as_ref().and_then(WeakAttempt::upgrade) {
            attempt.io().stream_opened(stream, at);
        }
        attempt
    }

    /// The client opens no further stream: the IO has ended.
    pub(crate) fn open_no_stream(self) {
        self.0.0.opens_no_stream.store(true, Ordering::Release);
    }

    /// A read or a write has failed.
    pub(crate) fn failed(self, failure: Failure) {
        let _ = self.0.0.io_failure.set(failure);
    }

    /// Why the IO failed, if it did.
    pub(crate) fn failure(self) -> Option<&'a Failure> {
        self.0.0.io_failure.get()
    }

    /// This side gives the connection up: it has sent a GOAWAY with an error of this kind.
    pub(crate) fn gave_up(self, kind: Kind) {
        self.0.lifecycle().gave_up(kind);
        self.open_no_stream();
    }

    pub(crate) fn end_stream(self, at: Instant) {
        let inner = &*self.0.0;
        let mut lifecycle = self.0.lifecycle_of_use();
        lifecycle.end_use(inner.opened, at, || inner.registry.settings().idle_timeout);
        self.0.flush_notifications(lifecycle);
    }

    /// Records a probable close reason. The first one wins.
    pub(crate) fn hint(self, hint: CloseHint) {
        self.0.hint(hint);
    }

    /// The peer has sent GOAWAY. `after`: when the last stream that it includes was opened, if that is known.
    pub(crate) fn goaway_received(self, last: u32, after: Option<u64>) {
        let inner = &*self.0.0;
        inner.goaway_last.fetch_min(last, Ordering::AcqRel);
        inner.goaway_after_last.fetch_min(after.unwrap_or(u64::MAX), Ordering::AcqRel);
        self.0.lifecycle().goaway_received();
    }

    /// A GOAWAY, the peer's or an injected one, leaves out those of the requests that fail with it that the client accepted
    /// after this sequence number.
    pub(crate) fn exclude_after(self, sequence: u64) {
        self.0.0.goaway_after.fetch_min(sequence, Ordering::AcqRel);
    }

    /// Whether the bytes of an upgraded connection are not HTTP any more.
    #[inline]
    pub(crate) fn is_upgraded(self) -> bool {
        self.0.is_upgraded()
    }

    /// Whether the response of this turn is complete, so that further bytes belong to no request.
    pub(crate) fn is_response_complete(self, turn: u64) -> bool {
        let complete = self.0.0.response_complete.load(Ordering::Acquire);
        turn > 0 && complete == turn && !self.0.is_upgraded()
    }

    /// The task that reads, to be woken when the connection is retired.
    pub(crate) fn set_reader(self, reader: Option<Waker>) {
        let before = self.0.lifecycle().silence.set_reader(reader);
        drop(before);
    }

    /// The pool does not use the connection any more, even before the client's own task has noticed that the IO has ended.
    /// `false` if there is no handle on the pool.
    pub(crate) fn leave_pool(self) -> bool {
        let handle = self.0.0.registry.pool_handle_of(self.0);
        handle.is_some_and(|handle| {
            handle.poison();
            true
        })
    }

    /// The task of an HTTP/1 connection, to be woken when its attempt ends.
    pub(crate) fn wake_at_end(self, task: Waker) {
        let before = self.0.lifecycle().silence.until_end.replace(task);
        drop(before);
    }

    /// The IO is dropped, with this many streams open.
    pub(crate) fn closed(self, end: IoEnd, open_streams: u64, at: Instant) {
        let inner = &*self.0.0;
        self.0.origin().changes().connection_ended(at);
        self.open_no_stream();
        // The next request may need another connection, and with it a handle on its pool.
        self.0.origin().request_capture();
        let mut lifecycle = self.0.lifecycle();
        lifecycle.end(end, open_streams, inner.opened, at, || inner.registry.settings().idle_timeout);
        // It would keep the task of the connection for as long as somebody keeps this record.
        let task = lifecycle.silence.until_end.take();
        self.0.flush_notifications(lifecycle);
        drop(task);
    }

    /// A request is sent, and no attempt was ever observed.
    fn warn_if_unobserved(self) {
        let registry = &self.0.0.registry;
        if !registry.has_seen_attempt() {
            registry.warn(StackWarning::Unobserved);
        }
    }
}
