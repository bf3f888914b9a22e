//! [`Acquire`]: the wait for a slot.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::limiter::{Holder, Limiter};
use super::permit::Permit;
use crate::error::{BoxError, PoolTimeoutError, QueueFullError};
use crate::event::Event;
use crate::timer::Timeout;
use crate::util::list::Key;

/// Waits for a slot. Joins the queue at the first poll.
///
/// # Cancel safety
/// Dropping it leaves the queue; a slot that was already granted goes to the next waiter.
pub(super) struct Acquire {
    limiter: Arc<Limiter>,
    holder: Holder,
    timeout: Timeout,
    pub(super) queued: Option<Queued>,
}

/// A place in the queue.
#[derive(Clone, Copy)]
pub(super) struct Queued {
    pub(super) waiter: Key,
    pub(super) since: Instant,
}

impl Acquire {
    pub(super) fn new(limiter: Arc<Limiter>, holder: Holder) -> Self {
        if let Some(attempt) = &holder.attempt {
            attempt.queue().enter();
        }
        let timeout = Timeout::new(limiter.settings().acquire_timeout);
        Self { limiter, holder, timeout, queued: None }
    }

    /// # Errors
    /// [`PoolTimeoutError`] or [`QueueFullError`].
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, BoxError>> {
        let queued = match self.queued {
            Some(queued) => queued,
            None => match self.enqueue(cx.waker()) {
                Ok(Ok(permit)) => return Poll::Ready(Ok(self.leave_queue(permit))),
                Ok(Err(queued)) => queued,
                Err(full) => return Poll::Ready(Err(full.into())),
            },
        };
        let (origin, previous) = self.limiter.lock().poll_waiter(queued.waiter, cx.waker());
        drop(previous);
        if let Some(origin) = origin {
            return Poll::Ready(Ok(self.granted(origin)));
        }
        match self.timeout.poll(self.limiter.registry().timers(), cx, || Some(queued.since)) {
            true => Poll::Ready(self.give_up(queued)),
            false => Poll::Pending,
        }
    }

    fn granted(&mut self, origin: Key) -> Permit {
        self.queued = None;
        self.report_waited(true);
        self.leave_queue(self.limiter.permit(self.holder.clone(), origin))
    }

    /// Takes a slot that has become free meanwhile, or joins the queue.
    fn enqueue(&mut self, waker: &Waker) -> Result<Result<Permit, Queued>, QueueFullError> {
        let Holder { origin, attempt } = &self.holder;
        let waker = waker.clone();
        let mut queue = self.limiter.lock();
        let (acquired, change) = queue.try_acquire(origin);
        let enqueued = if acquired.is_none() { Some(queue.enqueue(origin, waker)) } else { None };
        drop(queue);
        self.limiter.report(origin, change);
        if let Some(acquired) = acquired {
            return Ok(Ok(self.limiter.permit(self.holder.clone(), acquired)));
        }
        match enqueued.expect("no slot was acquired") {
            Ok(waiter) => {
                let queued = Queued { waiter, since: Instant::now() };
                self.queued = Some(queued);
                self.limiter.registry().waits_for_slot(origin, true);
                self.limiter.registry().emit(&Event::SlotWaiting { origin, attempt: attempt.as_ref() });
                Ok(Err(queued))
            }
            Err(occupancy) => Err(QueueFullError::new(origin.clone(), occupancy)),
        }
    }

    /// Ends the wait after the timeout, with the slot if one was granted at the last moment.
    pub(super) fn give_up(&mut self, queued: Queued) -> Result<Permit, BoxError> {
        let mut queue = self.limiter.lock();
        if let (Some(origin), _) = queue.poll_waiter(queued.waiter, Waker::noop()) {
            drop(queue);
            return Ok(self.granted(origin));
        }
        let (deferred, occupancy) = queue.cancel(queued.waiter);
        drop(queue);
        self.queued = None;
        self.report_waited(false);
        self.limiter.finish(deferred);
        let origin = self.holder.origin.clone();
        self.limiter.registry().acquire_timed_out(&origin, queued.since);
        Err(PoolTimeoutError::new(origin, occupancy, queued.since.elapsed()).into())
    }

    fn leave_queue(&self, permit: Permit) -> Permit {
        if let Some(attempt) = &self.holder.attempt {
            attempt.queue().leave();
        }
        permit
    }

    fn report_waited(&self, granted: bool) {
        let Holder { origin, attempt } = &self.holder;
        self.limiter.registry().waits_for_slot(origin, false);
        self.limiter.registry().emit(&Event::SlotWaited { origin, attempt: attempt.as_ref(), granted });
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let Some(Queued { waiter, .. }) = self.queued.take() {
            let (deferred, _) = self.limiter.lock().cancel(waiter);
            self.report_waited(false);
            self.limiter.finish(deferred);
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("origin", &self.holder.origin).finish_non_exhaustive()
    }
}
