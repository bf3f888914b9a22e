//! Who may connect: limits, turns, and which waiter a connect belongs to.

use tokio::time::Instant;

use super::link::{Link, Stage, Why};
use super::waiter::Queue;
use super::{Deferred, Pooled, State};
use crate::util::list::Key;

impl<C: Pooled, E: Clone> State<C, E> {
    /// Whether a queued waiter of the origin may connect, apart from the total.
    fn is_eligible(&self, origin: Key) -> bool {
        let entry = self.origins.get(origin);
        let limit = if self.limits.overflow { usize::MAX } else { self.limits.per_origin };
        entry.queued_len > 0 && entry.may_connect(limit)
    }

    pub(super) fn has_room(&self) -> bool {
        self.limits.overflow || self.open < self.limits.total
    }

    /// Appends an origin to those whose turn comes, if one of its waiters may connect.
    pub(super) fn consider(&mut self, origin: Key) {
        if self.is_eligible(origin) && !self.origins.get(origin).in_turns {
            self.origins.get_mut(origin).in_turns = true;
            self.origins.push_back(&mut self.turns, origin);
        }
    }

    /// Lets waiters connect as long as the limits allow it.
    pub(super) fn grant(&mut self, deferred: &mut Deferred<C>) {
        while self.has_room() {
            let Some(origin) = self.origins.pop_front(&mut self.turns) else { return };
            self.origins.get_mut(origin).in_turns = false;
            // What was true when it joined may have changed.
            if !self.is_eligible(origin) {
                continue;
            }
            let link = self.reserve(origin);
            let waiter = self.origins.get(origin).queued.first().expect("an eligible origin has a waiter");
            self.pair(waiter, link);
            deferred.wake.extend(self.waiters.get_mut(waiter).waker.take());
            self.consider(origin);
            self.make_way(origin, deferred);
        }
        self.make_room(deferred);
    }

    fn reserve(&mut self, origin: Key) -> Key {
        self.hold(origin);
        let entry = self.origins.get_mut(origin);
        entry.open += 1;
        entry.connecting += 1;
        self.open += 1;
        self.links.insert(Link::reserved(origin))
    }

    /// Gives a connect to the first queued waiter.
    pub(super) fn pair(&mut self, waiter: Key, link: Key) {
        let record = self.waiters.get_mut(waiter);
        debug_assert_eq!(record.queue, Queue::Queued);
        (record.queue, record.link) = (Queue::Paired, Some(link));
        let entry = self.origins.get_mut(record.origin);
        self.waiters.unlink(&mut entry.queued, waiter);
        entry.queued_len -= 1;
        self.waiters.push_back(&mut entry.paired, waiter);
        self.links.get_mut(link).owner = Some(waiter);
    }

    /// The connect belongs to no waiter any more: the next one adopts it. One that has not begun is given up without a
    /// waiter.
    pub(super) fn disown(&mut self, link: Key, deferred: &mut Deferred<C>) {
        let (origin, stage) = (self.links.get(link).origin, self.links.get(link).stage);
        let queued = self.first_queued_for(link);
        let entry = self.origins.get_mut(origin);
        match (queued, stage) {
            (Some(waiter), _) => {
                self.pair(waiter, link);
                if stage == Stage::Reserved {
                    deferred.wake.extend(self.waiters.get_mut(waiter).waker.take());
                }
            }
            (None, Stage::Reserved) => self.drop_connect(link, deferred),
            (None, _) => self.links.push_back(&mut entry.orphans, link),
        }
    }

    /// Removes a link that is not open and belongs to no waiter.
    pub(super) fn drop_connect(&mut self, link: Key, deferred: &mut Deferred<C>) {
        self.drained(link);
        let link = self.links.remove(link);
        let entry = self.origins.get_mut(link.origin);
        entry.open -= 1;
        entry.connecting -= 1;
        if entry.connecting == 0 {
            entry.failing = false;
        }
        self.open -= 1;
        self.consider(link.origin);
        self.grant(deferred);
        self.release(link.origin);
    }

    /// Origins wait for the total: for each, the connection of another origin that is idle for the longest time makes room.
    pub(super) fn make_room(&mut self, deferred: &mut Deferred<C>) {
        if self.has_room() {
            return;
        }
        // A place comes for each connection that is closing.
        let mut coming = self.closing;
        let mut next = self.turns.first();
        while let Some(origin) = next {
            next = self.origins.next(origin);
            if !self.is_eligible(origin) {
                continue;
            }
            if coming > 0 {
                coming -= 1;
                continue;
            }
            // Its own free connections are on other runtimes.
            let several = self.several_homes;
            let others = self.origins.keys().into_iter().filter(|other| several || *other != origin);
            let oldest = others.filter_map(|other| {
                let link = self.oldest_free(other)?;
                Some((self.links.get(link).since, link))
            });
            let Some((_, link)) = oldest.min_by_key(|(since, _): &(Instant, Key)| *since) else { return };
            self.discard(link, Why::Surplus, deferred);
        }
    }

    /// The connection of the origin that no request uses for the longest time.
    pub(super) fn oldest_free(&self, origin: Key) -> Option<Key> {
        let entry = self.origins.get(origin);
        let mut oldest = entry.idle.first();
        let mut next = entry.shared.first();
        while let Some(link) = next {
            next = self.links.next(link);
            let record = self.links.get(link);
            let older = oldest.is_none_or(|oldest| record.since < self.links.get(oldest).since);
            if record.leases == 0 && older {
                oldest = Some(link);
            }
        }
        oldest
    }
}
