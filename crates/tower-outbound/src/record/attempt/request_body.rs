use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Attempt, next_sequence};

/// An attempt, as the body of its request writes to it.
#[derive(Clone, Copy)]
pub(crate) struct AttemptRequestBody<'a>(pub(super) &'a Attempt);

impl AttemptRequestBody<'_> {
    /// The client accepts the request: it asked for the body and is about to write the head. On HTTP/2 the stream is
    /// opened no earlier.
    pub(crate) fn accepted_by_client(self, at: Instant) {
        let inner = &*self.0.0;
        inner.write.accept(next_sequence);
        inner.marks.accepted.set(inner.start, at);
        inner.marks.buffered.set(inner.start, at);
    }

    /// Whether a connection has begun to write the request.
    pub(crate) fn is_being_sent(self) -> bool {
        self.0.0.marks.send_start.is_set()
    }

    /// Whether the request was [reported as unsent](super::AttemptIo::reported_not_sent).
    pub(crate) fn reported_not_sent(self) -> bool {
        self.0.0.write.reported_not_sent()
    }

    /// The client took this many bytes.
    pub(crate) fn count(self, bytes: u64) {
        self.0.0.request_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The client polled the body. While the body is pending, the client cannot be stuck on the peer.
    pub(crate) fn polled(self, pending: bool) {
        let inner = &*self.0.0;
        match pending {
            true => inner.marks.buffered.clear(),
            false => inner.marks.buffered.set(inner.start, Instant::now()),
        }
    }

    /// The client took the whole body.
    pub(crate) fn complete(self) {
        let inner = &*self.0.0;
        if !inner.marks.body_sent.is_set() {
            inner.marks.body_sent.set_once(inner.start, Instant::now());
        }
    }

    /// The body was polled or dropped. If no client has accepted the request before, something else than a client did
    /// this, and the body cannot witness the sending.
    pub(crate) fn polled_or_dropped(self) {
        let inner = &*self.0.0;
        if !inner.marks.accepted.is_set() {
            inner.write.set_body_escaped();
        }
    }

    /// A client that follows redirects gets the request.
    #[cfg(feature = "reqwest")]
    pub(crate) fn handed_to_redirect_client(self) {
        self.0.0.write.set_handed_to_redirect_client();
    }

    /// The client that follows redirects asked for the body.
    #[cfg(feature = "reqwest")]
    pub(crate) fn mark_touched(self) {
        self.0.0.write.set_touched();
    }

    /// Whether a client that follows redirects has the request and has certainly not begun to send it.
    #[cfg(feature = "reqwest")]
    pub(crate) fn is_untouched(self) -> bool {
        self.0.0.write.is_untouched()
    }
}
