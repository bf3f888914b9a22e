//! How a request gets a connection that is there, and gives it back.

use tokio::time::Instant;

use super::link::{Grant, Home, Served, Source, Stage, Why};
use super::{Deferred, Pooled, State};
use crate::util::list::Key;

impl<C: Pooled, E: Clone> State<C, E> {
    /// Takes the connection that was idle last, or on HTTP/2 the one with the fewest streams. Discards those that cannot
    /// be used any more.
    pub(in crate::pool) fn checkout(
        &mut self,
        origin: Key,
        home: Home,
        now: Instant,
        deferred: &mut Deferred<C>,
    ) -> Option<Served<C>> {
        self.see(home);
        let mut next = self.origins.get(origin).idle.last();
        while let Some(link) = next {
            next = self.links.previous(link);
            if self.is_foreign(link, home) {
                continue;
            }
            if let Some(why) = self.unfit_or_expired(link, now) {
                self.discard(link, why, deferred);
                continue;
            }
            let since = self.take_idle(link);
            return Some(self.lease(link, Some(since), Source::Free));
        }
        let link = self.least_used(origin, home, now, deferred)?;
        let used = self.links.get(link);
        let since = (used.leases == 0).then_some(used.since);
        Some(self.lease(link, since, Source::Free))
    }

    /// The HTTP/2 connection with the fewest streams that may have another one.
    fn least_used(
        &mut self,
        origin: Key,
        home: Home,
        now: Instant,
        deferred: &mut Deferred<C>,
    ) -> Option<Key> {
        let mut best: Option<(usize, Key)> = None;
        let mut next = self.origins.get(origin).shared.first();
        while let Some(link) = next {
            next = self.links.next(link);
            if self.is_foreign(link, home) {
                continue;
            }
            let leases = self.links.get(link).leases;
            if let Some(why) = self.unfit_or_expired(link, now) {
                // The requests that have it may not be sent yet.
                if leases == 0 {
                    self.discard(link, why, deferred);
                }
                continue;
            }
            if leases < self.streams_of(link) && best.is_none_or(|(fewest, _)| leases < fewest) {
                best = Some((leases, link));
            }
        }
        best.map(|(_, link)| link)
    }

    /// How many streams the HTTP/2 connection may have.
    fn streams_of(&self, link: Key) -> usize {
        let allowed = self.links.get(link).connection.as_ref().and_then(C::streams);
        allowed.unwrap_or(1).min(self.limits.streams)
    }

    /// Counts a use of an open connection.
    pub(super) fn lease(&mut self, key: Key, idle_since: Option<Instant>, source: Source) -> Served<C> {
        let link = self.links.get_mut(key);
        link.leases += 1;
        link.uses += 1;
        let number = link.uses;
        let idle_since = idle_since.filter(|_| number > 1);
        let connection = link.connection.clone().expect("an open link has its connection");
        Served { connection, grant: Grant { link: key, number, idle_since, source } }
    }

    /// A request has ended its use of the connection.
    pub(in crate::pool) fn give_back(&mut self, key: Key, now: Instant, deferred: &mut Deferred<C>) {
        let (origin, settled) = (self.links.get(key).origin, self.settled(key));
        if !settled {
            return self.end_lease(key, now, deferred);
        }
        // The last link of an origin may go, and the origin with it.
        self.hold(origin);
        self.end_lease(key, now, deferred);
        self.wake_held(origin, deferred);
        self.release(origin);
    }

    fn end_lease(&mut self, key: Key, now: Instant, deferred: &mut Deferred<C>) {
        let link = self.links.get_mut(key);
        link.leases -= 1;
        if link.ended {
            if link.leases == 0 {
                let link = self.links.remove(key);
                self.release(link.origin);
            }
            return;
        }
        let stage = link.stage;
        if !matches!(stage, Stage::Busy | Stage::Shared) {
            return;
        }
        let last = link.leases == 0;
        if let Some(why) = self.unfit(key, now) {
            if last {
                self.discard(key, why, deferred);
            }
            return;
        }
        if stage == Stage::Busy {
            return self.offer(key, Source::Returned, now, deferred);
        }
        self.feed(key, Source::Returned, now, deferred);
        if self.links.get(key).leases == 0 {
            let link = self.links.get_mut(key);
            link.since = now;
            let origin = link.origin;
            self.make_way(origin, deferred);
            self.make_room(deferred);
        }
    }

    /// The HTTP/2 connection may have more streams than before.
    pub(in crate::pool) fn streams_changed(&mut self, key: Key, now: Instant, deferred: &mut Deferred<C>) {
        if self.links.get(key).stage == Stage::Shared && self.unfit(key, now).is_none() {
            self.feed(key, Source::Returned, now, deferred);
        }
    }

    /// Gives a free HTTP/1 connection to the oldest waiter, or keeps it.
    pub(super) fn offer(&mut self, key: Key, source: Source, now: Instant, deferred: &mut Deferred<C>) {
        let waiter = self.first_waiter_for(key);
        if self.makes_way(key) {
            self.discard(key, Why::Surplus, deferred);
        } else if let Some(waiter) = waiter {
            self.links.get_mut(key).stage = Stage::Busy;
            self.serve(waiter, key, source, deferred);
        } else if let Some(why) = self.links.get(key).retired {
            self.discard(key, why, deferred);
        } else if self.is_surplus(key) {
            self.discard(key, Why::Surplus, deferred);
        } else {
            self.put_idle(key, now, deferred);
        }
    }

    /// Whether the connection is above the limits, which only `overflow` allows.
    fn is_surplus(&self, key: Key) -> bool {
        let entry = self.origins.get(self.links.get(key).origin);
        entry.kept() > self.limits.per_origin || self.open - self.closing - self.draining > self.limits.total
    }

    /// Gives streams to the oldest waiters.
    pub(super) fn feed(&mut self, key: Key, source: Source, now: Instant, deferred: &mut Deferred<C>) {
        while self.links.get(key).leases < self.streams_of(key) && self.unfit(key, now).is_none() {
            let Some(waiter) = self.first_waiter_for(key) else { return };
            self.serve(waiter, key, source, deferred);
        }
    }
}
