//! How much of a request was written, as the IO of an HTTP/1 connection counts it.
//!
//! What was reported of a failed request must stay true: nothing of a request that is `NotSent` is ever written, and
//! nothing more of one that is `Partial`, not even by a connection's task on another thread. So each write asks before, and
//! the report seals the request.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

use crate::failure::SendState;

/// Reported: connections refuse to write more of the request.
const SEALED: u64 = 1 << 63;
/// A write or flush is under way.
const WRITING: u64 = 1 << 62;
/// A write has returned something else than pending.
const TOUCHED: u64 = 1 << 61;
/// The whole request was written and flushed.
const COMPLETE: u64 = 1 << 60;
/// Bytes written. While a write is under way, those that it was given are included.
const BYTES: u64 = COMPLETE - 1;

/// How long the report waits for a write that another thread is in: the system call of a socket takes less.
const SPINS: u32 = 10_000;

/// A client that follows redirects has the request and has not asked for the body.
const UNTOUCHED: u8 = 1;
/// That client has asked for the body: the request may have been answered, and another one sent.
#[cfg(feature = "reqwest")]
const ASKED: u8 = 2;
/// That client has dropped the request, and has not asked for the body: it never sends the request.
const DROPPED_UNTOUCHED: u8 = 3;

/// That client reports each request that follows a redirect, and has reported none.
const NO_REDIRECT: u8 = 1;
/// It has followed a redirect.
#[cfg(feature = "reqwest")]
const REDIRECTED: u8 = 2;

/// What was written of a request, and what became of its body.
#[derive(Debug, Default)]
pub(in crate::record) struct WriteProgress {
    progress: AtomicU64,
    /// A connection has begun an HTTP/1 turn with the request.
    turn: AtomicBool,
    /// The sequence number of the client's acceptance; 0 before that.
    accepted: AtomicU64,
    body_escaped: AtomicBool,
    /// Our pool has the request, and no connection of it has.
    in_pool_queue: AtomicBool,
    /// Our pool handed the request to a connection, and took it back before the connection had begun with it.
    taken_back: AtomicBool,
    redirect_client: AtomicU8,
    redirects: AtomicU8,
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

    /// Claims a write of this many bytes, or a flush of 0. `false` if the request is sealed.
    ///
    /// Only the connection's task claims; [`end_write`](Self::end_write) follows.
    #[inline]
    pub(super) fn try_write(&self, offered: u64) -> bool {
        let claim = |progress: u64| (progress & SEALED == 0).then_some((progress | WRITING) + offered);
        self.progress.fetch_update(Ordering::AcqRel, Ordering::Acquire, claim).is_ok()
    }

    /// The claimed write has ended. This many of the offered bytes were not written.
    #[inline]
    pub(super) fn end_write(&self, unwritten: u64, end: WriteEnd) {
        let flag = match end {
            WriteEnd::Nothing => 0,
            WriteEnd::Touched => TOUCHED,
            WriteEnd::Complete => TOUCHED | COMPLETE,
        };
        let release = |progress: u64| Some(((progress & !WRITING) - unwritten) | flag);
        let _ = self.progress.fetch_update(Ordering::AcqRel, Ordering::Acquire, release);
    }

    /// Whether the whole request was written and flushed.
    pub(super) fn is_complete(&self) -> bool {
        self.progress.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Forbids further writes.
    ///
    /// # Errors
    /// What was written, if anything was. If a write does not return in time, this is the most that can have been written.
    pub(super) fn seal(&self) -> Result<(), SendState> {
        let mut progress = self.progress.fetch_or(SEALED, Ordering::AcqRel);
        for _ in 0..SPINS {
            if progress & WRITING == 0 {
                break;
            }
            spin_loop();
            progress = self.progress.load(Ordering::Acquire);
        }
        match progress {
            _ if progress & COMPLETE != 0 => Err(SendState::Sent),
            _ if has_begun(progress) => Err(SendState::Partial(progress & BYTES)),
            _ => Ok(()),
        }
    }

    /// Forbids all writes if none has begun. `false` if one has.
    pub(super) fn seal_unwritten(&self) -> bool {
        let unwritten = |progress: u64| (!has_begun(progress)).then_some(progress | SEALED);
        self.progress.fetch_update(Ordering::AcqRel, Ordering::Acquire, unwritten).is_ok()
    }

    /// Whether the request was reported, so that connections refuse to write it.
    pub(super) fn is_sealed(&self) -> bool {
        // Against `seal`: one of the two threads sees what the other did.
        fence(Ordering::SeqCst);
        self.progress.load(Ordering::Acquire) & SEALED != 0
    }

    /// A connection begins to write the request from its first byte, unless it is sealed.
    pub(super) fn begin_turn(&self) {
        let restart = |progress: u64| (progress & SEALED == 0).then_some(0);
        let _ = self.progress.fetch_update(Ordering::AcqRel, Ordering::Acquire, restart);
        self.turn.store(true, Ordering::Release);
    }

    /// Another connection serves than the one that began the turn.
    pub(super) fn reset_turn(&self) {
        self.turn.store(false, Ordering::Release);
    }

    #[inline]
    pub(super) fn has_turn(&self) -> bool {
        self.turn.load(Ordering::Acquire)
    }

    pub(super) fn set_body_escaped(&self) {
        self.body_escaped.store(true, Ordering::Release);
    }

    pub(super) fn body_escaped(&self) -> bool {
        self.body_escaped.load(Ordering::Acquire)
    }

    pub(super) fn set_in_pool_queue(&self, waits: bool) {
        self.in_pool_queue.store(waits, Ordering::Release);
    }

    pub(super) fn is_in_pool_queue(&self) -> bool {
        self.in_pool_queue.load(Ordering::Acquire)
    }

    pub(super) fn set_taken_back(&self) {
        self.taken_back.store(true, Ordering::Release);
    }

    pub(super) fn is_taken_back(&self) -> bool {
        self.taken_back.load(Ordering::Acquire)
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn set_handed_to_redirect_client(&self) {
        let _ = self.redirect_client.compare_exchange(0, UNTOUCHED, Ordering::AcqRel, Ordering::Acquire);
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn set_touched(&self) {
        self.redirect_client.store(ASKED, Ordering::Release);
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn set_dropped_by_redirect_client(&self) {
        let (from, to) = (UNTOUCHED, DROPPED_UNTOUCHED);
        let _ = self.redirect_client.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The client that follows redirects will report each of them.
    #[cfg(feature = "reqwest")]
    pub(super) fn set_redirects_reported(&self) {
        let _ = self.redirects.compare_exchange(0, NO_REDIRECT, Ordering::AcqRel, Ordering::Acquire);
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn set_redirected(&self) {
        self.redirects.store(REDIRECTED, Ordering::Release);
    }

    /// Whether the client has certainly followed no redirect, so that its error is that of this request.
    pub(super) fn is_not_redirected(&self) -> bool {
        self.redirects.load(Ordering::Acquire) == NO_REDIRECT
    }

    /// Whether a client that follows redirects has or had the request: its connections are not tracked.
    pub(super) fn has_redirect_client(&self) -> bool {
        self.redirect_client.load(Ordering::Acquire) != 0
    }

    pub(super) fn is_untouched(&self) -> bool {
        matches!(self.redirect_client.load(Ordering::Acquire), UNTOUCHED | DROPPED_UNTOUCHED)
    }

    pub(super) fn is_dropped_untouched(&self) -> bool {
        self.redirect_client.load(Ordering::Acquire) == DROPPED_UNTOUCHED
    }
}

/// Whether anything may have been sent. A write of the rest of the request leaves its bytes only, until its flush.
const fn has_begun(progress: u64) -> bool {
    progress & (TOUCHED | WRITING | BYTES) != 0
}

/// How a claimed write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteEnd {
    /// Nothing can have been sent.
    Nothing,
    /// Bytes were written; or none, but a part of the request may have been sent.
    Touched,
    /// With it, the whole request was written and flushed.
    Complete,
}

#[cfg(test)]
mod tests;
