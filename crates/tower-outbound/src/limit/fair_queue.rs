//! [`FairQueue`]: who holds a slot and who gets the next one, without locks, futures or events.
//!
//! A slot counts against the limit of its origin and against the total. Both are granted at once, so a waiting request
//! holds neither. An origin at its own limit does not compete for the total; the others take turns.
//!
//! Invariant between two calls: no slot is free for which a request waits. Thus a request that finds a free slot
//! overtakes no other, and a released slot goes to at most one waiter.

use std::task::Waker;

use hashbrown::HashMap;

use crate::error::{Limited, Occupancy};
use crate::record::Origin;
use crate::settings::InFlightSettings;
use crate::util::list::{Key, List, Slab};

/// Origins without slots and waiters that are kept; one for the model checker, which uses three origins.
const IDLE_KEPT: usize = if cfg!(all(test, shuttle)) { 1 } else { 64 };

/// The limits in force. `usize::MAX` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    per_origin: usize,
    total: usize,
    max_queued: usize,
}

impl Limits {
    pub(super) const fn is_unlimited(self) -> bool {
        self.origin_limit().is_none()
    }

    /// The most slots that one origin can hold; `None` without a limit.
    const fn origin_limit(self) -> Option<usize> {
        let limit = if self.per_origin < self.total { self.per_origin } else { self.total };
        if limit == usize::MAX { None } else { Some(limit) }
    }
}

impl From<InFlightSettings> for Limits {
    /// In the settings, zero is no limit of slots. A `max_queued` of zero means that no request waits.
    fn from(settings: InFlightSettings) -> Self {
        let or_max = |limit| if limit == 0 { usize::MAX } else { limit };
        Self {
            per_origin: or_max(settings.max_in_flight_per_origin),
            total: or_max(settings.max_in_flight),
            max_queued: settings.max_queued,
        }
    }
}

#[derive(Debug)]
pub(super) struct FairQueue {
    limits: Limits,
    held: usize,
    queued: usize,
    origins: Slab<OriginEntry>,
    /// By the address of the origin's record, which the entry keeps alive.
    by_address: HashMap<usize, Key>,
    waiters: Slab<Waiter>,
    /// Origins with a waiter and capacity of their own, in the order of their turns.
    ready: List,
    /// The origin that was served last. It joins `ready` only at the next grant, behind origins that came meanwhile.
    last_served: Option<Key>,
    idle: List,
    idle_len: usize,
}

#[derive(Debug)]
struct OriginEntry {
    origin: Origin,
    held: usize,
    queued: usize,
    waiters: List,
    list: OriginList,
    reported_limit: Option<usize>,
}

/// The list of origins that an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OriginList {
    None,
    Ready,
    Idle,
}

/// A queued request, or one that was granted a slot and has not noticed.
#[derive(Debug)]
struct Waiter {
    /// `None` once a slot is granted.
    waker: Option<Waker>,
    origin: Key,
}

/// What remains to be done after the lock is released.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Deferred {
    /// Wake this waiter: a slot was granted.
    pub(super) granted: Option<Waker>,
    /// Drop this waker: it may own a task.
    pub(super) dropped: Option<Waker>,
    pub(super) forgotten: Option<Forgotten>,
}

/// What looking up an origin changed, to be reported after the lock is released.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct EntryChange {
    /// The origin is new, and this is its limit.
    pub(super) opened: Option<usize>,
    /// Another origin was forgotten.
    pub(super) forgotten: Option<Forgotten>,
}

/// An origin whose entry was removed.
#[derive(Debug)]
pub(super) struct Forgotten {
    pub(super) origin: Origin,
    /// The limit that was reported for the origin.
    pub(super) limit: Option<usize>,
}

/// What remains to be done after a change of the limits, when the lock is released.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct LimitsChange {
    /// Wake these waiters: slots were granted.
    pub(super) granted: Vec<Waker>,
    /// Origins whose reported limit changed, with the previous and the new limit.
    pub(super) origins: Vec<(Origin, Option<usize>, Option<usize>)>,
}

impl FairQueue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            held: 0,
            queued: 0,
            origins: Slab::new(),
            by_address: HashMap::new(),
            waiters: Slab::new(),
            ready: List::new(),
            last_served: None,
            idle: List::new(),
            idle_len: 0,
        }
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Applies other limits. Grants every slot that becomes free; held slots are never revoked.
    pub(super) fn set_limits(&mut self, limits: Limits) -> LimitsChange {
        self.limits = limits;
        let limit = limits.origin_limit();
        let mut change = LimitsChange::default();
        let keys: Vec<Key> = self.by_address.values().copied().collect();
        for key in keys {
            let entry = self.origins.get_mut(key);
            let previous = std::mem::replace(&mut entry.reported_limit, limit);
            if previous != limit {
                change.origins.push((entry.origin.clone(), previous, limit));
            }
            if entry.list == OriginList::Ready && !self.has_capacity(key) {
                self.unlink_origin(key);
            }
            self.enqueue_origin(key);
        }
        while let Some(waker) = self.grant_next() {
            change.granted.push(waker);
        }
        change
    }

    /// Takes a slot if one is free. Returns the key of the origin, to be passed to [`release`](Self::release).
    pub(super) fn try_acquire(&mut self, origin: &Origin) -> (Option<Key>, EntryChange) {
        let (key, change) = self.entry(origin);
        if !self.has_capacity(key) || self.held >= self.limits.total {
            return (None, change);
        }
        debug_assert_eq!(self.origins.get(key).queued, 0, "a waiter was overtaken");
        self.unlink_origin(key);
        self.assign(key);
        (Some(key), change)
    }

    /// Joins the origin's queue after [`try_acquire`](Self::try_acquire) found no slot; fails if the queue is full.
    pub(super) fn enqueue(&mut self, origin: &Origin, waker: Waker) -> Result<Key, Occupancy> {
        let (key, _) = self.entry(origin);
        if self.origins.get(key).queued >= self.limits.max_queued {
            return Err(self.occupancy(key));
        }
        if self.origins.get(key).list == OriginList::Idle {
            self.unlink_origin(key);
        }
        let waiter = self.waiters.insert(Waiter { waker: Some(waker), origin: key });
        let entry = self.origins.get_mut(key);
        self.waiters.push_back(&mut entry.waiters, waiter);
        entry.queued += 1;
        self.queued += 1;
        self.enqueue_origin(key);
        Ok(waiter)
    }

    /// Returns the origin's key if the waiter was granted a slot, which removes the waiter. Otherwise `waker` replaces
    /// the waiter's waker, and the previous one is returned.
    pub(super) fn poll_waiter(&mut self, waiter: Key, waker: &Waker) -> (Option<Key>, Option<Waker>) {
        let found = self.waiters.get_mut(waiter);
        match &mut found.waker {
            None => (Some(self.waiters.remove(waiter).origin), None),
            Some(known) if known.will_wake(waker) => (None, None),
            Some(known) => (None, Some(std::mem::replace(known, waker.clone()))),
        }
    }

    /// Removes a waiter; a slot that it was granted goes to the next one. Returns the occupancy without the waiter.
    pub(super) fn cancel(&mut self, waiter: Key) -> (Deferred, Occupancy) {
        let found = self.waiters.get_mut(waiter);
        let (waker, key) = (found.waker.take(), found.origin);
        if waker.is_none() {
            self.waiters.remove(waiter);
            let deferred = self.release(key);
            return (deferred, self.occupancy(key));
        }
        let entry = self.origins.get_mut(key);
        self.waiters.unlink(&mut entry.waiters, waiter);
        self.waiters.remove(waiter);
        entry.queued -= 1;
        self.queued -= 1;
        if entry.queued == 0 && entry.list == OriginList::Ready {
            self.unlink_origin(key);
        }
        let forgotten = self.idle_origin(key);
        (Deferred { dropped: waker, forgotten, granted: None }, self.occupancy(key))
    }

    /// Releases a slot of the origin, and grants the slot to the next waiter.
    pub(super) fn release(&mut self, origin: Key) -> Deferred {
        self.origins.get_mut(origin).held -= 1;
        self.held -= 1;
        self.enqueue_origin(origin);
        let granted = self.grant_next();
        Deferred { granted, forgotten: self.idle_origin(origin), dropped: None }
    }

    /// Forgets all origins.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Forgotten> {
        let keys = std::mem::take(&mut self.by_address).into_values();
        keys.map(|key| self.origins.remove(key).into())
    }

    fn occupancy(&self, origin: Key) -> Occupancy {
        let entry = self.origins.get(origin);
        if self.has_capacity(origin) {
            return Occupancy {
                limited: Limited::Requests,
                of_origin: false,
                held: self.held,
                limit: self.limits.total,
                waiting: self.queued,
            };
        }
        Occupancy {
            limited: Limited::Requests,
            of_origin: true,
            held: entry.held,
            limit: self.limits.per_origin,
            waiting: entry.queued,
        }
    }

    /// Finds or makes the entry of an origin; a new entry is idle.
    fn entry(&mut self, origin: &Origin) -> (Key, EntryChange) {
        let address = origin.address();
        if let Some(key) = self.by_address.get(&address) {
            return (*key, EntryChange::default());
        }
        let limit = self.limits.origin_limit();
        let key = self.origins.insert(OriginEntry {
            origin: origin.clone(),
            held: 0,
            queued: 0,
            waiters: List::new(),
            list: OriginList::None,
            reported_limit: limit,
        });
        self.by_address.insert(address, key);
        (key, EntryChange { opened: limit, forgotten: self.idle_origin(key) })
    }

    fn has_capacity(&self, origin: Key) -> bool {
        self.origins.get(origin).held < self.limits.per_origin
    }

    fn assign(&mut self, origin: Key) {
        self.origins.get_mut(origin).held += 1;
        self.held += 1;
        self.last_served = Some(origin);
    }

    /// Grants a slot, if one is free, to the first waiter of the next origin.
    fn grant_next(&mut self) -> Option<Waker> {
        if self.held >= self.limits.total {
            return None;
        }
        let key = self.next_origin()?;
        self.unlink_origin(key);
        let entry = self.origins.get_mut(key);
        let waiter = self.waiters.pop_front(&mut entry.waiters).expect("a ready origin has a waiter");
        entry.queued -= 1;
        self.queued -= 1;
        self.assign(key);
        self.waiters.get_mut(waiter).waker.take()
    }

    fn next_origin(&mut self) -> Option<Key> {
        if let Some(served) = self.last_served.take() {
            self.enqueue_origin(served);
        }
        self.ready.first()
    }

    /// Appends an origin to the ready ones if it has a waiter and capacity.
    fn enqueue_origin(&mut self, key: Key) {
        let eligible = self.has_capacity(key) && self.last_served != Some(key);
        let entry = self.origins.get_mut(key);
        if eligible && entry.queued > 0 && entry.list == OriginList::None {
            entry.list = OriginList::Ready;
            self.origins.push_back(&mut self.ready, key);
        }
    }

    /// Takes an origin out of its list.
    fn unlink_origin(&mut self, key: Key) {
        match std::mem::replace(&mut self.origins.get_mut(key).list, OriginList::None) {
            OriginList::None => {}
            OriginList::Ready => self.origins.unlink(&mut self.ready, key),
            OriginList::Idle => {
                self.idle_len -= 1;
                self.origins.unlink(&mut self.idle, key);
            }
        }
    }

    /// Marks an origin without slots and waiters as idle. Forgets the longest idle origin if too many are idle.
    fn idle_origin(&mut self, key: Key) -> Option<Forgotten> {
        let entry = self.origins.get_mut(key);
        if entry.held > 0 || entry.queued > 0 {
            return None;
        }
        debug_assert_eq!(entry.list, OriginList::None, "without a waiter it is in no list");
        entry.list = OriginList::Idle;
        self.origins.push_back(&mut self.idle, key);
        self.idle_len += 1;
        if self.last_served == Some(key) {
            self.last_served = None;
        }
        if self.idle_len <= IDLE_KEPT {
            return None;
        }
        let oldest = self.idle.first()?;
        self.unlink_origin(oldest);
        let entry = self.origins.remove(oldest);
        self.by_address.remove(&entry.origin.address());
        Some(entry.into())
    }

    /// Slots held, and waiters.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.held, self.waiters.len())
    }

    #[cfg(test)]
    pub(super) fn origins_kept(&self) -> usize {
        self.origins.len()
    }

    #[cfg(test)]
    pub(super) fn waiter_capacity(&self) -> usize {
        self.waiters.capacity()
    }

    /// How often a waiter or an origin was read or moved.
    #[cfg(all(test, debug_assertions))]
    pub(super) fn visits(&self) -> usize {
        self.waiters.visits() + self.origins.visits()
    }
}

impl From<OriginEntry> for Forgotten {
    fn from(entry: OriginEntry) -> Self {
        Self { origin: entry.origin, limit: entry.reported_limit }
    }
}
