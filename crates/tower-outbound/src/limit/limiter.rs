//! [`Limiter`]: the queue of one layer behind a lock, with limits that follow the settings.
//!
//! Events are emitted and wakers are woken without the lock.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::fair_queue::{Deferred, EntryChange, FairQueue, Forgotten, Limits, LimitsChange};
use super::permit::Permit;
use crate::event::Event;
use crate::record::{Attempt, Origin, Registry};
use crate::settings::InFlightSettings;
use crate::util::list::Key;
use crate::util::sync::{Mutex, MutexGuard};

/// The limits of one layer, shared by its services.
pub(super) struct Limiter {
    registry: Registry,
    /// The layer's own settings; `None` follows those of the registry.
    own: Option<InFlightSettings>,
    queue: Mutex<FairQueue>,
    /// Whether the queue's limits limit anything. Read without the lock.
    limited: AtomicBool,
}

/// The request that holds a slot or waits for one.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) origin: Origin,
    /// `None` without an observe layer above.
    pub(super) attempt: Option<Attempt>,
}

impl Limiter {
    pub(super) fn new(registry: Registry, own: Option<InFlightSettings>) -> Self {
        let limits = Limits::from(own.unwrap_or_else(|| registry.settings().in_flight));
        let queue = Mutex::new(FairQueue::new(limits));
        Self { registry, own, queue, limited: AtomicBool::new(!limits.is_unlimited()) }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The settings in force now.
    pub(super) fn settings(&self) -> InFlightSettings {
        self.own.unwrap_or_else(|| self.registry.settings().in_flight)
    }

    /// Whether requests need no slot. Takes no lock while nothing is limited.
    pub(super) fn is_unlimited(&self) -> bool {
        if !Limits::from(self.settings()).is_unlimited() {
            return false;
        }
        if self.limited.load(Ordering::Relaxed) {
            // The limits were removed since the last request: grants the slots for which requests wait.
            drop(self.lock());
        }
        true
    }

    /// Takes the limits in force now.
    #[cfg(feature = "settings")]
    pub(super) fn refresh(&self) {
        drop(self.lock());
    }

    /// Takes a slot if one is free.
    pub(super) fn try_acquire(self: &Arc<Self>, holder: Holder) -> Result<Permit, Holder> {
        let (origin, change) = self.lock().try_acquire(&holder.origin);
        self.report(&holder.origin, change);
        match origin {
            Some(origin) => Ok(self.permit(holder, origin)),
            None => Err(holder),
        }
    }

    pub(super) fn permit(self: &Arc<Self>, holder: Holder, origin: Key) -> Permit {
        self.registry.emit(&Event::SlotTaken { origin: &holder.origin, attempt: holder.attempt.as_ref() });
        Permit::new(Arc::clone(self), holder, origin)
    }

    /// Locks the queue, with the limits in force now.
    pub(super) fn lock(&self) -> MutexGuard<'_, FairQueue> {
        let mut queue = self.lock_as_is();
        let limits = Limits::from(self.settings());
        if queue.limits() == limits {
            return queue;
        }
        let change = queue.set_limits(limits);
        self.limited.store(!limits.is_unlimited(), Ordering::Relaxed);
        drop(queue);
        self.apply(change);
        // Settings that were stored meanwhile are applied by the next caller.
        self.lock_as_is()
    }

    fn lock_as_is(&self) -> MutexGuard<'_, FairQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who were granted a slot, and reports each origin's new limit.
    fn apply(&self, change: LimitsChange) {
        for (origin, previous, limit) in &change.origins {
            if let Some(limit) = *previous {
                self.registry.emit(&Event::SlotsClosed { origin, limit });
            }
            if let Some(limit) = *limit {
                self.registry.emit(&Event::SlotsOpened { origin, limit });
            }
        }
        change.granted.into_iter().for_each(std::task::Waker::wake);
    }

    /// Reports what looking up `origin` changed.
    pub(super) fn report(&self, origin: &Origin, change: EntryChange) {
        if let Some(limit) = change.opened {
            self.registry.emit(&Event::SlotsOpened { origin, limit });
        }
        self.report_forgotten(change.forgotten);
    }

    fn report_forgotten(&self, forgotten: Option<Forgotten>) {
        if let Some(Forgotten { origin, limit: Some(limit) }) = forgotten {
            self.registry.emit(&Event::SlotsClosed { origin: &origin, limit });
        }
    }

    /// Does what an operation on the queue left to do.
    pub(super) fn finish(&self, deferred: Deferred) {
        let Deferred { granted, dropped, forgotten } = deferred;
        drop(dropped);
        if let Some(granted) = granted {
            granted.wake();
        }
        self.report_forgotten(forgotten);
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        let queue = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner);
        let forgotten: Vec<_> = queue.drain().collect();
        for origin in forgotten {
            self.report_forgotten(Some(origin));
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("settings", &self.settings()).finish_non_exhaustive()
    }
}
