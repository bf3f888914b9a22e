//! What services, futures and bodies share: the turns under one lock, and who is told.
//!
//! Everything is told without the lock, by whoever has the slot or waits for it.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::sync::{Mutex, MutexGuard};
use super::turns::{Left, Met, Turns};
use crate::error::{BoxError, PoolTimeoutError, QueueFullError};
use crate::event::Event;
use crate::record::{Attempt, Origin, Registry};
use crate::timer::Limit;
use crate::util::list::Key as Place;

// In here, since it ends a wait as a timeout does, without a clock.
#[cfg(all(test, shuttle))]
#[path = "schedules/mod.rs"]
mod schedules;

/// The limits of one layer, and who is under them.
pub(super) struct Limiter {
    registry: Registry,
    acquire_timeout: Duration,
    turns: Mutex<Turns>,
    /// What one origin may have.
    slots: usize,
}

/// Whose slot it is.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) origin: Origin,
    /// None where no observe layer is above.
    pub(super) attempt: Option<Attempt>,
}

impl Limiter {
    pub(super) fn new(registry: Registry, turns: Turns, acquire_timeout: Duration) -> Self {
        let slots = turns.limit();
        Self { registry, acquire_timeout, turns: Mutex::new(turns), slots }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A slot, if one is free.
    pub(super) fn take(self: &Arc<Self>, holder: Holder) -> Result<Permit, Holder> {
        let (place, met) = self.turns().take(&holder.origin);
        self.tell_met(&holder.origin, met);
        match place {
            Some(place) => Ok(self.permit(holder, place)),
            None => Err(holder),
        }
    }

    fn permit(self: &Arc<Self>, holder: Holder, place: Place) -> Permit {
        let Holder { origin, attempt } = &holder;
        self.registry.emit(&Event::SlotTaken { origin, attempt: attempt.as_ref() });
        Permit { limiter: Arc::clone(self), holder, place }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_met(&self, origin: &Origin, met: Met) {
        if met.new {
            self.registry.emit(&Event::SlotsOpened { origin, limit: self.slots });
        }
        self.tell_forgotten(met.forgotten);
    }

    fn tell_forgotten(&self, origin: Option<Origin>) {
        if let Some(origin) = origin {
            self.registry.emit(&Event::SlotsClosed { origin: &origin, limit: self.slots });
        }
    }

    fn finish(&self, left: Left) {
        let Left { granted, dropped, forgotten } = left;
        drop(dropped);
        if let Some(granted) = granted {
            granted.wake();
        }
        self.tell_forgotten(forgotten);
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        let turns = self.turns.get_mut().unwrap_or_else(PoisonError::into_inner);
        let forgotten: Vec<_> = turns.forget_all().collect();
        for origin in forgotten {
            self.tell_forgotten(Some(origin));
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("acquire_timeout", &self.acquire_timeout).finish_non_exhaustive()
    }
}

/// A slot, until it is dropped.
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    holder: Holder,
    place: Place,
}

impl Permit {
    /// It was free: the queue took no time.
    pub(super) fn had_at_once(&self) {
        if let Some(attempt) = &self.holder.attempt {
            attempt.queue().skip();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Holder { origin, attempt } = &self.holder;
        // Told first, so that nobody is ever told of more slots than there are.
        self.limiter.registry.emit(&Event::SlotReturned { origin, attempt: attempt.as_ref() });
        let left = self.limiter.turns().give_back(self.place);
        self.limiter.finish(left);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("origin", &self.holder.origin).finish_non_exhaustive()
    }
}

/// The wait for a slot. It begins with the first poll; dropping it passes on what it may have been given.
pub(super) struct Wait {
    limiter: Arc<Limiter>,
    holder: Holder,
    limit: Limit,
    queued: Option<Queued>,
}

struct Queued {
    ticket: Place,
    since: Instant,
}

impl Wait {
    pub(super) fn new(limiter: Arc<Limiter>, holder: Holder) -> Self {
        if let Some(attempt) = &holder.attempt {
            attempt.queue().enter();
        }
        let limit = Limit::new(limiter.acquire_timeout);
        Self { limiter, holder, limit, queued: None }
    }

    /// # Errors
    /// [`PoolTimeoutError`] or [`QueueFullError`].
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, BoxError>> {
        if self.queued.is_none() {
            match self.join(cx.waker()) {
                Ok(None) => {}
                Ok(Some(permit)) => return Poll::Ready(Ok(self.leave_queue(permit))),
                Err(full) => return Poll::Ready(Err(full.into())),
            }
        }
        let Some(Queued { ticket, since }) = self.queued else { unreachable!("it has joined") };
        let (place, dropped) = self.limiter.turns().look(ticket, cx.waker());
        drop(dropped);
        if let Some(place) = place {
            return Poll::Ready(Ok(self.granted(place)));
        }
        match self.limit.poll(self.limiter.registry.timers(), cx, || Some(since)) {
            true => Poll::Ready(self.give_up(ticket, since)),
            false => Poll::Pending,
        }
    }

    fn granted(&mut self, place: Place) -> Permit {
        self.queued = None;
        self.tell_waited(true);
        self.leave_queue(self.limiter.permit(self.holder.clone(), place))
    }

    /// Takes a slot after all, or joins the queue.
    fn join(&mut self, waker: &Waker) -> Result<Option<Permit>, QueueFullError> {
        let Holder { origin, attempt } = &self.holder;
        let waker = waker.clone();
        let mut turns = self.limiter.turns();
        let (place, met) = turns.take(origin);
        let joined = if place.is_none() { Some(turns.join(origin, waker)) } else { None };
        drop(turns);
        self.limiter.tell_met(origin, met);
        if let Some(place) = place {
            return Ok(Some(self.limiter.permit(self.holder.clone(), place)));
        }
        match joined.expect("there was no slot") {
            Ok(ticket) => {
                self.queued = Some(Queued { ticket, since: Instant::now() });
                self.limiter.registry.emit(&Event::SlotWaiting { origin, attempt: attempt.as_ref() });
                Ok(None)
            }
            Err(crowd) => Err(QueueFullError::new(origin.clone(), crowd)),
        }
    }

    /// The time is over, unless a slot has come just now.
    fn give_up(&mut self, ticket: Place, since: Instant) -> Result<Permit, BoxError> {
        let mut turns = self.limiter.turns();
        if let (Some(place), _) = turns.look(ticket, Waker::noop()) {
            drop(turns);
            return Ok(self.granted(place));
        }
        let (left, crowd) = turns.leave(ticket);
        drop(turns);
        self.queued = None;
        self.limiter.finish(left);
        self.tell_waited(false);
        let origin = self.holder.origin.clone();
        Err(PoolTimeoutError::new(origin, crowd, since.elapsed()).into())
    }

    fn leave_queue(&self, permit: Permit) -> Permit {
        if let Some(attempt) = &self.holder.attempt {
            attempt.queue().leave();
        }
        permit
    }

    fn tell_waited(&self, granted: bool) {
        let Holder { origin, attempt } = &self.holder;
        self.limiter.registry.emit(&Event::SlotWaited { origin, attempt: attempt.as_ref(), granted });
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(Queued { ticket, .. }) = self.queued.take() {
            let (left, _) = self.limiter.turns().leave(ticket);
            self.tell_waited(false);
            self.limiter.finish(left);
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("origin", &self.holder.origin).finish_non_exhaustive()
    }
}
