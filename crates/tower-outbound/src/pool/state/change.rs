//! Other limits while the pool is in use.

use std::cmp::Reverse;

use tokio::time::Instant;

use super::link::{Source, Stage, Why};
use super::{Deferred, Limits, Pooled, State};
use crate::util::list::Key;

impl<C: Pooled, E: Clone> State<C, E> {
    /// Takes other limits. What is above them finishes what it does; what they allow now, waiters get. `retires`: when a
    /// connection that was opened then has its age.
    pub(in crate::pool) fn set_limits(
        &mut self,
        limits: Limits,
        retires: impl Fn(Instant) -> Option<Instant>,
        now: Instant,
        deferred: &mut Deferred<C>,
    ) {
        self.limits = limits;
        for key in self.links.keys() {
            let link = self.links.get_mut(key);
            link.retires = retires(link.opened);
        }
        for origin in self.origins.keys() {
            let kept = self.origins.get(origin).kept();
            self.retire_surplus(Some(origin), kept.saturating_sub(limits.per_origin), deferred);
            for _ in limits.idle_per_origin..self.origins.get(origin).idle_len {
                if let Some(oldest) = self.origins.get(origin).idle.first() {
                    self.retire(oldest, Why::Surplus, deferred);
                }
            }
        }
        let kept = self.open - self.closing - self.draining;
        self.retire_surplus(None, kept.saturating_sub(limits.total), deferred);
        let mut idle = self.links.keys();
        idle.retain(|key| self.links.get(*key).stage == Stage::Idle);
        idle.sort_by_key(|key| self.links.get(*key).since);
        for oldest in idle.iter().take(idle.len().saturating_sub(limits.idle_total)) {
            self.retire(*oldest, Why::Surplus, deferred);
        }
        for key in self.links.keys() {
            if self.links.get(key).stage == Stage::Shared {
                self.feed(key, Source::Returned, now, deferred);
            }
        }
        for origin in self.origins.keys() {
            self.consider(origin);
        }
        self.grant(deferred);
        for origin in self.origins.keys() {
            self.make_way(origin, deferred);
        }
    }

    /// Whether a connection to the origin is open.
    pub(in crate::pool) fn has_live(&self, origin: Key) -> bool {
        self.origins.get(origin).live() > 0
    }

    /// Another pool has a connect that waits for the end of one of these connections: an idle one, or a busy one unless as many
    /// as `leaving` are about to go.
    pub(in crate::pool) fn give_way(&mut self, origin: Key, leaving: usize, deferred: &mut Deferred<C>) {
        let entry = self.origins.get(origin);
        if entry.idle_len > 0 || (entry.live() > 0 && entry.draining + entry.closing < leaving) {
            self.retire_surplus(Some(origin), 1, deferred);
        }
    }

    /// Retires as many connections, of one origin or of all: those that are free for the longest time, then those that
    /// have the fewest requests, and connects last.
    fn retire_surplus(&mut self, origin: Option<Key>, surplus: usize, deferred: &mut Deferred<C>) {
        if surplus == 0 {
            return;
        }
        let mut kept = self.links.keys();
        kept.retain(|key| {
            let link = self.links.get(*key);
            let counts = !link.ended && link.stage != Stage::Closing && link.retired.is_none();
            counts && origin.is_none_or(|origin| origin == link.origin)
        });
        kept.sort_by_key(|key| {
            let link = self.links.get(*key);
            let open = matches!(link.stage, Stage::Idle | Stage::Busy | Stage::Shared);
            (Reverse(open), link.leases, link.since)
        });
        for key in kept.into_iter().take(surplus) {
            self.retire(key, Why::Surplus, deferred);
        }
    }
}
