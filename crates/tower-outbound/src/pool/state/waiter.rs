//! Who waits for a connection.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::link::{Home, Served, Source, Stage};
use super::{Deferred, Pooled, State};
use crate::error::{Limited, Occupancy};
use crate::util::list::Key;

/// A request that waits, or one that was answered and has not noticed.
#[derive(Debug)]
pub(super) struct Waiter<C, E> {
    pub(super) origin: Key,
    pub(super) home: Home,
    pub(super) waker: Option<Waker>,
    /// The connect of its own.
    pub(super) link: Option<Key>,
    pub(super) queue: Queue,
    pub(super) answer: Option<Result<Served<C>, E>>,
}

/// The queue that a waiter is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Paired,
    Queued,
    /// It was answered.
    None,
}

/// What a waiter has to do.
#[derive(Debug)]
pub(in crate::pool) enum Polled<C, E> {
    Served(Served<C>),
    /// The connect failed.
    Failed(E),
    /// Begin to connect for this link, and wait on.
    Connect(Key),
    /// Wait on. Poll without patience after this time.
    Held(Duration),
    Pending,
}

impl<C: Pooled, E: Clone> State<C, E> {
    /// Joins the queue of the origin, after [`checkout`](Self::checkout) found no connection.
    pub(in crate::pool) fn join(
        &mut self,
        origin: Key,
        home: Home,
        deferred: &mut Deferred<C>,
    ) -> Result<Key, Occupancy> {
        self.hold(origin);
        let waiter = Waiter { origin, home, waker: None, link: None, queue: Queue::Queued, answer: None };
        let key = self.waiters.insert(waiter);
        let entry = self.origins.get_mut(origin);
        self.waiters.push_back(&mut entry.queued, key);
        entry.queued_len += 1;
        if let Some(orphan) = self.first_orphan(origin, home) {
            let entry = self.origins.get_mut(origin);
            self.links.unlink(&mut entry.orphans, orphan);
            self.pair(key, orphan);
        } else {
            self.consider(origin);
            self.grant(deferred);
            self.make_way(origin, deferred);
        }
        if self.waiters.get(key).queue == Queue::Paired {
            return Ok(key);
        }
        if self.origins.get(origin).queued_len > self.limits.waiting {
            self.leave(key, deferred);
            self.remove_waiter(key, deferred);
            return Err(self.occupancy(origin));
        }
        Ok(key)
    }

    /// What the waiter has to do. It is removed when it was served or has failed; else `waker` replaces its waker. `patient`:
    /// it may hold its connect back.
    pub(in crate::pool) fn poll_waiter(
        &mut self,
        key: Key,
        waker: &Waker,
        patient: bool,
        deferred: &mut Deferred<C>,
    ) -> Polled<C, E> {
        let waiter = self.waiters.get_mut(key);
        if let Some(answer) = waiter.answer.take() {
            self.remove_waiter(key, deferred);
            return answer.map_or_else(Polled::Failed, Polled::Served);
        }
        if !waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            deferred.dropped.extend(waiter.waker.replace(waker.clone()));
        }
        let Some(link) = waiter.link else { return Polled::Pending };
        if self.links.get(link).stage != Stage::Reserved {
            return Polled::Pending;
        }
        if let Some(hold) = self.hold_back(key).filter(|_| patient) {
            return Polled::Held(hold);
        }
        let home = self.waiters.get(key).home;
        let connecting = self.links.get_mut(link);
        (connecting.stage, connecting.home) = (Stage::Connecting, home);
        Polled::Connect(link)
    }

    /// Removes a waiter. What it was given goes to the next one.
    pub(in crate::pool) fn cancel(
        &mut self,
        key: Key,
        now: Instant,
        deferred: &mut Deferred<C>,
    ) -> Occupancy {
        let waiter = self.waiters.get_mut(key);
        let (origin, answer) = (waiter.origin, waiter.answer.take());
        let occupancy = match answer {
            Some(Ok(served)) => {
                // No request was sent.
                self.links.get_mut(served.grant.link).uses -= 1;
                self.give_back(served.grant.link, now, deferred);
                deferred.unused.push(served.connection);
                self.occupancy(origin)
            }
            Some(Err(_)) => self.occupancy(origin),
            None => {
                self.leave(key, deferred);
                let occupancy = self.occupancy(origin);
                self.grant(deferred);
                occupancy
            }
        };
        self.remove_waiter(key, deferred);
        occupancy
    }

    /// Gives a waiter a connection.
    pub(super) fn serve(&mut self, key: Key, link: Key, source: Source, deferred: &mut Deferred<C>) {
        let served = self.lease(link, None, source);
        self.leave(key, deferred);
        self.answer(key, Ok(served), deferred);
    }

    pub(super) fn fail(&mut self, key: Key, cause: E, deferred: &mut Deferred<C>) {
        self.leave(key, deferred);
        self.answer(key, Err(cause), deferred);
    }

    fn answer(&mut self, key: Key, answer: Result<Served<C>, E>, deferred: &mut Deferred<C>) {
        let waiter = self.waiters.get_mut(key);
        waiter.answer = Some(answer);
        deferred.wake.extend(waiter.waker.take());
    }

    /// Takes a waiter out of its queue. Its connect is left to others.
    fn leave(&mut self, key: Key, deferred: &mut Deferred<C>) {
        let waiter = self.waiters.get_mut(key);
        let (origin, queue) = (waiter.origin, std::mem::replace(&mut waiter.queue, Queue::None));
        let entry = self.origins.get_mut(origin);
        match queue {
            Queue::Paired => self.waiters.unlink(&mut entry.paired, key),
            Queue::Queued => {
                self.waiters.unlink(&mut entry.queued, key);
                entry.queued_len -= 1;
            }
            Queue::None => {}
        }
        if let Some(link) = self.waiters.get_mut(key).link.take() {
            self.links.get_mut(link).owner = None;
            self.disown(link, deferred);
        }
    }

    fn remove_waiter(&mut self, key: Key, deferred: &mut Deferred<C>) {
        let waiter = self.waiters.remove(key);
        deferred.dropped.extend(waiter.waker);
        self.release(waiter.origin);
    }

    /// Which limit keeps the requests of an origin waiting, and who waits.
    pub(in crate::pool) fn occupancy(&self, origin: Key) -> Occupancy {
        let entry = self.origins.get(origin);
        let of_origin = entry.open >= self.limits.per_origin || self.open < self.limits.total;
        let (held, limit, waiting) = match of_origin {
            true => (entry.open, self.limits.per_origin, entry.queued_len),
            false => (self.open, self.limits.total, self.waiters.len()),
        };
        Occupancy { limited: Limited::Connections, of_origin, held, limit, waiting }
    }
}
