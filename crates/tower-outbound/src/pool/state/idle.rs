//! Connections that no request uses.

use std::time::Duration;

use tokio::time::Instant;

use super::link::{Stage, Why};
use super::{Deferred, Pooled, State};
use crate::util::list::Key;

/// How often to look at least whether connections with an age have come.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

impl<C: Pooled, E: Clone> State<C, E> {
    /// Keeps an HTTP/1 connection. Too many of them are closed, those that are idle for the longest time first.
    pub(super) fn put_idle(&mut self, key: Key, now: Instant, deferred: &mut Deferred<C>) {
        let link = self.links.get_mut(key);
        (link.stage, link.since) = (Stage::Idle, now);
        let origin = link.origin;
        let entry = self.origins.get_mut(origin);
        self.links.push_back(&mut entry.idle, key);
        entry.idle_len += 1;
        self.idle += 1;
        if entry.idle_len > self.limits.idle_per_origin {
            let oldest = entry.idle.first().expect("more than none");
            self.discard(oldest, Why::Surplus, deferred);
        }
        if self.idle > self.limits.idle_total {
            let oldest = self.origins.keys().into_iter().filter_map(|key| self.origins.get(key).idle.first());
            if let Some(oldest) = oldest.min_by_key(|link| self.links.get(*link).since) {
                self.discard(oldest, Why::Surplus, deferred);
            }
        }
        self.make_room(deferred);
    }

    /// Takes an idle connection. Returns since when it was idle.
    pub(super) fn take_idle(&mut self, key: Key) -> Instant {
        let link = self.links.get_mut(key);
        link.stage = Stage::Busy;
        let entry = self.origins.get_mut(link.origin);
        let since = link.since;
        self.links.unlink(&mut entry.idle, key);
        entry.idle_len -= 1;
        self.idle -= 1;
        since
    }

    /// When the connection, which no request uses, is closed, and why; `None` if it is used or kept for ever.
    fn deadline_of(&self, key: Key) -> Option<(Instant, Why)> {
        let link = self.links.get(key);
        if link.leases > 0 || !matches!(link.stage, Stage::Idle | Stage::Shared) {
            return None;
        }
        let server = link.connection.as_ref().and_then(C::keep_alive);
        let timeout = self.limits.idle_timeout.into_iter().chain(server).min();
        let idle = timeout.and_then(|timeout| link.since.checked_add(timeout));
        let idle = idle.map(|at| (at, Why::Idle));
        let age = link.retires.map(|at| (at, Why::MaxAge));
        idle.into_iter().chain(age).min_by_key(|(at, _)| *at)
    }

    pub(super) fn unfit_or_expired(&self, key: Key, now: Instant) -> Option<Why> {
        let expired = || self.deadline_of(key).filter(|(at, _)| *at <= now).map(|(_, why)| why);
        self.unfit(key, now).or_else(expired)
    }

    /// Whether a task is to be started that closes idle connections in time: at most one runs.
    pub(in crate::pool) fn wants_reaper(&mut self) -> bool {
        // Also without a timeout: the limits may change.
        !self.closed && !std::mem::replace(&mut self.reaping, true)
    }

    /// Whether connections are open whose idle timeout nobody looks at: the runtime of the task is gone.
    pub(in crate::pool) const fn lacks_reaper(&self) -> bool {
        !self.reaping && !self.closed && self.open > 0
    }

    /// Closes what is idle for too long, or too old. Returns when to look again; `None` without connections: the task ends.
    pub(in crate::pool) fn expire(&mut self, now: Instant, deferred: &mut Deferred<C>) -> Option<Instant> {
        let keys = self.links.keys();
        if keys.is_empty() {
            self.reaping = false;
            return None;
        }
        // What becomes idle later expires later.
        let mut next = self.limits.idle_timeout.and_then(|timeout| now.checked_add(timeout));
        for key in keys {
            let deadline = match self.deadline_of(key) {
                Some((at, why)) if at <= now => {
                    self.discard(key, why, deferred);
                    continue;
                }
                Some((at, _)) => Some(at),
                None => self.links.get(key).retires.filter(|at| *at > now),
            };
            next = next.into_iter().chain(deadline).min();
        }
        Some(next.unwrap_or_else(|| now + LONGEST_LOOK))
    }

    /// The task that closes idle connections has ended.
    pub(in crate::pool) fn reaper_gone(&mut self) {
        self.reaping = false;
    }
}
