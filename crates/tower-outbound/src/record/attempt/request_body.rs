use std::sync::atomic::{Ordering, fence};
use std::task::Waker;

use tokio::time::Instant;

#[cfg(feature = "reqwest")]
use super::phases::accepted_since;
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
        inner.marks.buffered.copy(&inner.marks.accepted);
        #[cfg(feature = "reqwest")]
        self.taken_by_untracked(at);
    }

    /// The connections of a client that follows redirects are not tracked: the attempts show what becomes of them.
    #[cfg(feature = "reqwest")]
    fn taken_by_untracked(self, at: Instant) {
        if !self.0.0.write.has_redirect_client() {
            return;
        }
        let mut serving = self.0.0.serving();
        if !serving.finished && !std::mem::replace(&mut serving.taken_untracked, true) {
            self.0.origin().changes().untracked_taken(accepted_since(self.0), at);
        }
    }

    /// Whether a connection has begun to write the request.
    #[inline]
    pub(crate) fn is_being_sent(self) -> bool {
        self.0.0.marks.send_start.is_set()
    }

    /// Whether the request [must not be written](super::AttemptIo::is_sealed).
    #[inline]
    pub(crate) fn is_sealed(self) -> bool {
        self.0.0.write.is_sealed()
    }

    /// The client took this many bytes.
    #[inline]
    pub(crate) fn count(self, bytes: u64) {
        self.0.0.request_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The client polled the body. While the body is pending, the client cannot be stuck on the peer.
    #[inline]
    pub(crate) fn polled(self, pending: bool) {
        let inner = &*self.0.0;
        if pending {
            inner.marks.buffered.clear();
        } else if !inner.marks.buffered.is_set() || !inner.is_written_by_turns() {
            inner.marks.buffered.set(inner.start, Instant::now());
        }
    }

    /// The client took the whole body.
    #[inline]
    pub(crate) fn complete(self) {
        let inner = &*self.0.0;
        if !inner.marks.body_sent.is_set() {
            inner.marks.body_sent.set_once(inner.start, Instant::now());
            self.end_upload();
        }
    }

    /// The client dropped the body.
    pub(crate) fn dropped(self) {
        let inner = &*self.0.0;
        if !inner.marks.body_sent.is_set() {
            inner.body_dropped.store(true, Ordering::Release);
            self.end_upload();
        }
    }

    /// The body is pending. Returns when the attempt ended; before that, the end wakes this task.
    pub(crate) fn wait_for_end(self, waker: &Waker) -> Option<Instant> {
        let mut serving = self.0.0.serving();
        if serving.finished {
            drop(serving);
            return self.0.end_time();
        }
        let known = serving.uploader.as_ref().is_some_and(|uploader| uploader.will_wake(waker));
        let before = if known { None } else { serving.uploader.replace(waker.clone()) };
        // Without the lock: a waker may own the task that polls this body.
        drop(serving);
        drop(before);
        None
    }

    /// The upload is over. If its attempt has ended before, the connection has waited for this.
    fn end_upload(self) {
        // Against `hold_upload`: one of the two threads sees what the other did.
        fence(Ordering::SeqCst);
        if self.0.is_ended() {
            super::end::release_upload(self.0);
        }
    }

    /// The body was polled for the first time.
    #[inline]
    pub(crate) fn polled_first(self) {
        self.see_escape();
    }

    /// The body was dropped, and never polled. A client that has accepted the request sends no body: the empty one is
    /// complete. hyper does so with a GET whose body does not say that it is empty.
    pub(crate) fn dropped_unpolled(self) {
        self.see_escape();
        if self.0.0.marks.accepted.is_set() {
            self.complete();
        }
    }

    /// If no client has accepted the request before, something else than a client has the body, and the body cannot witness
    /// the sending.
    fn see_escape(self) {
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

    /// The client that follows redirects reports each redirect by [`redirected`](Self::redirected).
    #[cfg(feature = "reqwest")]
    pub(crate) fn redirects_are_reported(self) {
        self.0.0.write.set_redirects_reported();
    }

    /// The client has followed a redirect.
    #[cfg(feature = "reqwest")]
    pub(crate) fn redirected(self) {
        self.0.0.write.set_redirected();
    }

    /// The client that follows redirects dropped the request.
    #[cfg(feature = "reqwest")]
    pub(crate) fn dropped_by_redirect_client(self) {
        self.0.0.write.set_dropped_by_redirect_client();
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
