//! One pool on several runtimes: a connection serves requests of the runtime that drives its task. Another runtime may be
//! busy, or not driven at all, and a request would wait for it.
//!
//! Requests of other runtimes open connections of their own within the limits. At a limit, a free connection makes way for them;
//! one that was just given back does so too if their runtime has none at all. Nothing of this is looked at before the pool has
//! seen a second runtime.

use super::link::{Home, Stage, Why};
use super::{Deferred, Pooled, State};
use crate::util::list::Key;

impl<C: Pooled, E: Clone> State<C, E> {
    /// A request comes from there.
    pub(super) fn see(&mut self, home: Home) {
        let first = *self.first_home.get_or_insert(home);
        self.several_homes |= first != home;
    }

    /// Whether the connection is on another runtime.
    pub(super) fn is_foreign(&self, link: Key, home: Home) -> bool {
        self.several_homes && self.links.get(link).home != home
    }

    /// The oldest waiter that the connection may serve.
    pub(super) fn first_waiter_for(&self, link: Key) -> Option<Key> {
        let link = self.links.get(link);
        let entry = self.origins.get(link.origin);
        if !self.several_homes {
            return entry.first_waiter();
        }
        self.first_at(entry.paired.first(), link.home)
            .or_else(|| self.first_at(entry.queued.first(), link.home))
    }

    /// The oldest queued waiter that the connect may belong to.
    pub(super) fn first_queued_for(&self, link: Key) -> Option<Key> {
        let link = self.links.get(link);
        let first = self.origins.get(link.origin).queued.first();
        // Whoever gets a connect that has not begun begins it.
        if !self.several_homes || link.stage == Stage::Reserved {
            return first;
        }
        self.first_at(first, link.home)
    }

    fn first_at(&self, first: Option<Key>, home: Home) -> Option<Key> {
        std::iter::successors(first, |key| self.waiters.next(*key))
            .find(|key| self.waiters.get(*key).home == home)
    }

    pub(super) fn first_orphan(&self, origin: Key, home: Home) -> Option<Key> {
        let first = self.origins.get(origin).orphans.first();
        std::iter::successors(first, |key| self.links.next(*key)).find(|key| !self.is_foreign(*key, home))
    }

    /// Whether requests wait that only a place of the origin helps, and none is coming.
    fn lacks_way(&self, origin: Key) -> bool {
        let entry = self.origins.get(origin);
        let at_limit = entry.open >= self.limits.per_origin || self.open >= self.limits.total;
        self.several_homes && !self.limits.overflow && at_limit && entry.queued_len > entry.closing
    }

    /// Whether the connection, which is free now, closes for a request of another runtime: if none of its own waits, or if the
    /// oldest is of a runtime that has no connection to the origin.
    pub(super) fn makes_way(&self, key: Key) -> bool {
        let link = self.links.get(key);
        if !self.lacks_way(link.origin) {
            return false;
        }
        let entry = self.origins.get(link.origin);
        if self.first_waiter_for(key).is_none() {
            return true;
        }
        // The place goes to the first that is queued.
        let Some(first) = entry.queued.first().filter(|_| entry.closing == 0) else { return false };
        let home = self.waiters.get(first).home;
        let of_home = |key: Key| {
            let other = self.links.get(key);
            other.origin == link.origin && !other.ended && other.home == home
        };
        !self.links.keys().into_iter().any(of_home)
    }

    /// Free connections of the origin close for requests of other runtimes.
    pub(super) fn make_way(&mut self, origin: Key, deferred: &mut Deferred<C>) {
        while self.lacks_way(origin) {
            let Some(free) = self.oldest_free(origin) else { return };
            self.discard(free, Why::Surplus, deferred);
        }
    }
}
