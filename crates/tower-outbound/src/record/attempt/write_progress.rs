//! How much of a request was written, as the IO of an HTTP/1 connection counts it.
//!
//! A request reported as `NotSent` must never be written later, not even by a connection task on another thread.
//! `progress` is both the byte count and the latch that enforces this.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

use crate::failure::SendState;

/// No write has returned anything but pending.
const NOT_BEGUN: u64 = 0;
/// The first write is under way.
const BEGUN: u64 = 1;
/// That many more than bytes were written.
const WRITTEN: u64 = 2;
/// Reported as `NotSent`: connections refuse to write the request.
const NOT_SENT_LATCH: u64 = u64::MAX;

/// A client that follows redirects has the request and has not asked for the body.
const UNTOUCHED: u8 = 1;
/// That client has asked for the body: the request may have been answered, and another one sent.
#[cfg(feature = "reqwest")]
const TOUCHED: u8 = 2;
/// That client has dropped the request, and has not asked for the body: it never sends the request.
const DROPPED_UNTOUCHED: u8 = 3;

/// What was written of a request, and what became of its body.
#[derive(Debug, Default)]
pub(in crate::record) struct WriteProgress {
    progress: AtomicU64,
    /// The whole request was written and flushed.
    complete: AtomicBool,
    /// A connection has begun an HTTP/1 turn with the request.
    turn: AtomicBool,
    /// The sequence number of the client's acceptance; 0 before that.
    accepted: AtomicU64,
    body_escaped: AtomicBool,
    redirect_client: AtomicU8,
}

impl WriteProgress {
    /// The first acceptance counts.
    pub(super) fn accept(&self, sequence: impl FnOnce() -> u64) {
        if self.accepted.load(Ordering::Acquire) == 0 {
            let _ = self.accepted.compare_exchange(0, sequence(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    pub(in crate::record) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Claims the first write; `false` after the latch.
    pub(super) fn try_begin(&self) -> bool {
        match self.progress.compare_exchange(NOT_BEGUN, BEGUN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(BEGUN) => true,
            Err(NOT_SENT_LATCH) => false,
            // Another connection has written some of the request before.
            Err(_) => {
                self.progress.store(WRITTEN, Ordering::Release);
                true
            }
        }
    }

    pub(super) fn undo_begin(&self) {
        let _ = self.progress.compare_exchange(BEGUN, NOT_BEGUN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// A write returned: this many bytes, or 0 for an error. Only the connection's task calls this.
    pub(super) fn count(&self, bytes: u64) {
        let before = self.progress.load(Ordering::Acquire);
        if before != NOT_SENT_LATCH {
            self.complete.store(false, Ordering::Release);
            let after = (before.max(WRITTEN) + bytes).min(NOT_SENT_LATCH - 1);
            self.progress.store(after, Ordering::Release);
        }
    }

    pub(super) fn set_complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Sets the latch if nothing was written.
    ///
    /// # Errors
    /// What was written.
    pub(super) fn latch_not_sent(&self) -> Result<(), SendState> {
        let latch = NOT_SENT_LATCH;
        match self.progress.compare_exchange(NOT_BEGUN, latch, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(NOT_SENT_LATCH) => Ok(()),
            Err(_) if self.complete.load(Ordering::Acquire) => Err(SendState::Sent),
            Err(progress) => Err(SendState::Partial(progress.saturating_sub(WRITTEN))),
        }
    }

    pub(super) fn reported_not_sent(&self) -> bool {
        // Against `latch_not_sent`: one of the two threads sees what the other did.
        fence(Ordering::SeqCst);
        self.progress.load(Ordering::Acquire) == NOT_SENT_LATCH
    }

    pub(super) fn begin_turn(&self) {
        self.turn.store(true, Ordering::Release);
    }

    /// Another connection serves than the one that began the turn.
    pub(super) fn reset_turn(&self) {
        self.turn.store(false, Ordering::Release);
    }

    pub(super) fn has_turn(&self) -> bool {
        self.turn.load(Ordering::Acquire)
    }

    pub(super) fn set_body_escaped(&self) {
        self.body_escaped.store(true, Ordering::Release);
    }

    pub(super) fn body_escaped(&self) -> bool {
        self.body_escaped.load(Ordering::Acquire)
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn set_handed_to_redirect_client(&self) {
        let _ = self.redirect_client.compare_exchange(0, UNTOUCHED, Ordering::AcqRel, Ordering::Acquire);
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn set_touched(&self) {
        self.redirect_client.store(TOUCHED, Ordering::Release);
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn set_dropped_by_redirect_client(&self) {
        let (from, to) = (UNTOUCHED, DROPPED_UNTOUCHED);
        let _ = self.redirect_client.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(super) fn is_untouched(&self) -> bool {
        matches!(self.redirect_client.load(Ordering::Acquire), UNTOUCHED | DROPPED_UNTOUCHED)
    }

    pub(super) fn is_dropped_untouched(&self) -> bool {
        self.redirect_client.load(Ordering::Acquire) == DROPPED_UNTOUCHED
    }
}
