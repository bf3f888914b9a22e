//! How a connect ends, and a connection.

use tokio::time::Instant;

use super::link::{Source, Stage, Why};
use super::waiter::Queue;
use super::{Deferred, Pooled, State};
use crate::record::Protocol;
use crate::util::list::Key;

impl<C: Pooled, E: Clone> State<C, E> {
    /// A connect has succeeded. `retires`: when the connection serves no further request.
    pub(in crate::pool) fn connected(
        &mut self,
        key: Key,
        connection: C,
        retires: Option<Instant>,
        now: Instant,
        deferred: &mut Deferred<C>,
    ) {
        let shared = connection.streams().is_some();
        let link = self.links.get_mut(key);
        link.connection = Some(connection);
        (link.retires, link.since, link.opened) = (retires, now, now);
        let (origin, owner) = (link.origin, link.owner.take());
        if owner.is_none() {
            self.unlink_orphan(origin, key);
        }
        let link = self.links.get_mut(key);
        link.stage = if shared { Stage::Shared } else { Stage::Busy };
        let entry = self.origins.get_mut(origin);
        entry.connecting -= 1;
        entry.failing = false;
        entry.protocol = Some(if shared { Protocol::Http2 } else { Protocol::Http1 });
        if shared {
            self.links.push_back(&mut entry.shared, key);
        }
        match owner {
            Some(waiter) => {
                self.waiters.get_mut(waiter).link = None;
                self.serve(waiter, key, Source::OwnConnect, deferred);
            }
            None => {
                if self.closed {
                    self.discard(key, Why::PoolGone, deferred);
                } else if !shared {
                    self.offer(key, Source::OtherConnect, now, deferred);
                }
            }
        }
        if self.links.get(key).stage == Stage::Shared {
            self.feed(key, Source::OtherConnect, now, deferred);
            self.make_way(origin, deferred);
        }
        // What the connect has found out may let others connect.
        self.consider(origin);
        self.grant(deferred);
    }

    fn unlink_orphan(&mut self, origin: Key, link: Key) {
        let entry = self.origins.get_mut(origin);
        self.links.unlink(&mut entry.orphans, link);
    }

    /// The task of a link has ended, and with it its IO. `cause`: why, if it was not open yet.
    pub(in crate::pool) fn ended(&mut self, key: Key, cause: E, deferred: &mut Deferred<C>) {
        let link = self.links.get_mut(key);
        let origin = link.origin;
        match link.stage {
            Stage::Reserved | Stage::Connecting => return self.connect_failed(key, cause, deferred),
            Stage::Closing => {}
            Stage::Idle | Stage::Busy | Stage::Shared => self.discard(key, Why::Unusable, deferred),
        }
        let link = self.links.get_mut(key);
        link.ended = true;
        let unused = link.leases == 0;
        let entry = self.origins.get_mut(origin);
        entry.open -= 1;
        entry.closing -= 1;
        self.closing -= 1;
        self.open -= 1;
        self.consider(origin);
        self.grant(deferred);
        self.make_way(origin, deferred);
        if unused {
            self.links.remove(key);
            self.release(origin);
        }
    }

    /// A connect has failed: with it the waiter that it belongs to and, if nothing else is open or connects, all that
    /// wait for the origin.
    fn connect_failed(&mut self, key: Key, cause: E, deferred: &mut Deferred<C>) {
        let link = self.links.get_mut(key);
        let (origin, owner) = (link.origin, link.owner.take());
        match owner {
            Some(waiter) => {
                self.waiters.get_mut(waiter).link = None;
                self.fail(waiter, cause.clone(), deferred);
            }
            None => self.unlink_orphan(origin, key),
        }
        let entry = self.origins.get_mut(origin);
        if entry.live() == 0 {
            entry.failing = true;
            if entry.connecting == 1 {
                // Those of another runtime connect by themselves.
                while let Some(waiter) = self.first_queued_for(key) {
                    debug_assert_eq!(self.waiters.get(waiter).queue, Queue::Queued);
                    self.fail(waiter, cause.clone(), deferred);
                }
            }
        }
        self.drop_connect(key, deferred);
    }
}
