//! The caller's request body, and the lock around it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame};

use super::body_state::{BodyState, LeaseView};
use crate::error::BoxError;

/// The number that stands for "no lease".
const NO_LEASE: u32 = 0;

/// The caller's request body and the stored frames of it. One lease at a time reads from the buffer.
///
/// Ending a lease and releasing the buffer avoid the lock: the user's `poll_frame` runs under the lock and may drop its
/// own call, or an earlier lease. Locking there would deadlock.
pub(in crate::retry) struct ReplayBuffer<B: Body> {
    /// The number of the current lease.
    current_lease: AtomicU32,
    /// No further lease follows: the end of the current lease empties the buffer.
    released: AtomicBool,
    state: Mutex<BodyState<B>>,
}

impl<B: Body> Default for ReplayBuffer<B> {
    fn default() -> Self {
        Self {
            current_lease: AtomicU32::new(NO_LEASE),
            released: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }
}

impl<B: Body> ReplayBuffer<B> {
    /// Stores the body before the first attempt. `length` is the `Content-Length` that the client sees, if it is known
    /// already. Up to `max_bytes` bytes of polled data are stored for retries.
    pub(in crate::retry) fn store(&self, body: B, length: Option<u64>, max_bytes: usize) {
        self.state().store(body, length, max_bytes);
    }

    /// The request has this `Content-Length`, if any.
    pub(super) fn announce(&self, length: Option<u64>) {
        self.state().announce(length);
    }

    #[inline]
    fn state(&self) -> MutexGuard<'_, BodyState<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a new lease at the beginning of the body and returns its number, and what it has to give; `None` for a body
    /// without data.
    pub(super) fn lease(&self) -> Option<(u32, LeaseView)> {
        let mut state = self.state();
        let number = state.start_lease()?;
        self.current_lease.store(number, Ordering::SeqCst);
        Some((number, state.view()))
    }

    /// Stable while the lock is held: leases start and are revoked under the lock.
    #[inline]
    pub(super) fn is_current(&self, lease: u32) -> bool {
        self.current_lease.load(Ordering::SeqCst) == lease
    }

    /// Polls the body for a lease, and updates what the lease has still to give; `None` if the lease was revoked.
    #[inline]
    pub(super) fn poll_lease(
        &self,
        lease: u32,
        view: &mut LeaseView,
        cx: &mut Context<'_>,
    ) -> Option<PollFrame<B::Data>>
    where
        B: Unpin,
        B::Data: Clone,
        B::Error: Into<BoxError>,
    {
        let mut state = self.state();
        if !self.is_current(lease) {
            return None;
        }
        let polled = state.poll_frame(cx);
        if polled.is_pending() {
            return Some(polled);
        }
        let unneeded = state.is_incomplete().then(|| state.take_unneeded());
        *view = state.view();
        // Unlock first: dropping the user's data may call back into this buffer.
        drop(state);
        drop(unneeded);
        Some(polled)
    }

    /// The client dropped this lease.
    pub(super) fn end_lease(&self, lease: u32) {
        let was_current =
            self.current_lease.compare_exchange(lease, NO_LEASE, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if was_current && self.released.load(Ordering::SeqCst) {
            self.clear();
        }
    }

    /// Whether another lease could give the body from its beginning.
    pub(in crate::retry) fn is_replayable(&self) -> bool {
        !self.state().is_incomplete()
    }

    /// Revokes the current lease. Returns whether another lease can give the body from its beginning.
    pub(in crate::retry) fn revoke(&self) -> bool {
        let mut state = self.state();
        self.current_lease.store(NO_LEASE, Ordering::SeqCst);
        let (replayable, waker) = (!state.is_incomplete(), state.take_waker());
        drop(state);
        // The body wakes the next lease only, so wake the task that waits for the revoked lease here.
        if let Some(waker) = waker {
            waker.wake();
        }
        replayable
    }

    /// Whether the client has taken the whole body from the current lease.
    ///
    /// Polls a body that has not reported its end yet: a peer that answers at once is faster than a client that polls
    /// once more for the end.
    pub(in crate::retry) fn is_fully_taken(&self) -> bool
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        let mut state = self.state();
        let fully_taken = state.is_fully_taken();
        // The poll above consumed the readiness that the client's task waits for.
        let waker = if state.is_ready() { state.take_waker() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        fully_taken
    }

    /// Takes the caller's body out, unless it was polled. Revokes the current lease.
    pub(in crate::retry) fn take_unpolled(&self) -> Option<B> {
        let mut state = self.state();
        let body = state.take_unpolled()?;
        self.current_lease.store(NO_LEASE, Ordering::SeqCst);
        Some(body)
    }

    /// No further lease follows: empties the buffer now, or when the current lease ends. Returns whether the buffer was
    /// emptied now.
    pub(super) fn release(&self) -> bool {
        self.released.store(true, Ordering::SeqCst);
        let unused = self.is_current(NO_LEASE);
        if unused {
            self.clear();
        }
        unused
    }

    /// Drops the stored frames, and stores no further frames.
    pub(super) fn stop_storing(&self) {
        let unneeded = {
            let mut state = self.state();
            state.stop_storing();
            state.take_unneeded()
        };
        drop(unneeded);
    }

    fn clear(&self) {
        let contents = self.state().take();
        // Unlocked: dropping the user's data may call back into this buffer.
        drop(contents);
    }
}

/// What [`Body::poll_frame`] returns.
pub(super) type PollFrame<D> = Poll<Option<Result<Frame<D>, BoxError>>>;
