use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use tokio::time::Instant;

use super::link::{Home, Link, Stage, Why};
use super::origin::Entry;
use super::waiter::Waiter;
use super::{Deferred, Limits, Pooled};
use crate::record::{Origin, OriginParts, Protocol, Reset};
use crate::util::list::{Key, List, Slab};

/// Origins without connections and waiters that are remembered with their protocol.
const RESTING: usize = 64;

/// What a pool has and wants. `C` is a connection, `E` the cause of a failed connect.
#[derive(Debug)]
pub(in crate::pool) struct State<C, E> {
    pub(super) limits: Limits,
    /// Links that count against the limit.
    pub(super) open: usize,
    /// Of these, the ones that are closing.
    pub(super) closing: usize,
    /// Of these, the ones that finish what they do, and do not close yet.
    pub(super) draining: usize,
    /// HTTP/1 links without a request.
    pub(super) idle: usize,
    pub(super) origins: Slab<Entry>,
    table: HashTable<Key>,
    hasher: DefaultHashBuilder,
    pub(super) links: Slab<Link<C>>,
    pub(super) waiters: Slab<Waiter<C, E>>,
    /// Origins of which a queued waiter may connect as soon as the total allows it, in the order of their turns.
    pub(super) turns: List,
    resting: List,
    resting_len: usize,
    /// The runtime of the first request.
    pub(super) first_home: Option<Home>,
    /// Requests have come from other runtimes too.
    pub(super) several_homes: bool,
    /// A task closes idle connections in time.
    pub(super) reaping: bool,
    /// Nothing is kept any more.
    pub(super) closed: bool,
}

impl<C: Pooled, E: Clone> State<C, E> {
    pub(in crate::pool) fn new(limits: Limits, hasher: DefaultHashBuilder) -> Self {
        Self {
            limits,
            open: 0,
            closing: 0,
            draining: 0,
            idle: 0,
            origins: Slab::new(),
            table: HashTable::new(),
            hasher,
            links: Slab::new(),
            waiters: Slab::new(),
            turns: List::new(),
            resting: List::new(),
            resting_len: 0,
            first_home: None,
            several_homes: false,
            reaping: false,
            closed: false,
        }
    }

    /// The entry of an origin. `hash` is that of the parts, `protocol` what a new entry knows of the origin.
    pub(in crate::pool) fn origin(
        &mut self,
        hash: u64,
        parts: OriginParts<'_>,
        protocol: Option<Protocol>,
    ) -> Key {
        let Self { table, origins, hasher, .. } = self;
        let known = table.find(hash, |key| origins.get(*key).origin.parts() == parts);
        if let Some(key) = known {
            return *key;
        }
        let key = origins.insert(Entry::new(Origin::new(parts), protocol));
        table.insert_unique(hash, key, |key| hasher.hash_one(origins.get(*key).origin.parts()));
        self.rest(key);
        key
    }

    /// The entry of an origin that was asked for, and its record.
    pub(in crate::pool) fn known_origin(&self, hash: u64, parts: OriginParts<'_>) -> Option<(Key, Origin)> {
        let key = self.table.find(hash, |key| self.origins.get(*key).origin.parts() == parts)?;
        Some((*key, self.origin_of(*key).clone()))
    }

    /// The record of an origin.
    pub(in crate::pool) fn origin_of(&self, origin: Key) -> &Origin {
        &self.origins.get(origin).origin
    }

    /// Adds a record of a link or a waiter.
    pub(super) fn hold(&mut self, origin: Key) {
        self.origins.get_mut(origin).records += 1;
        self.wake_up(origin);
    }

    /// A record of a link or a waiter was removed.
    pub(super) fn release(&mut self, origin: Key) {
        self.origins.get_mut(origin).records -= 1;
        self.rest(origin);
    }

    fn wake_up(&mut self, origin: Key) {
        if std::mem::take(&mut self.origins.get_mut(origin).resting) {
            self.origins.unlink(&mut self.resting, origin);
            self.resting_len -= 1;
        }
    }

    /// Remembers an origin that nothing refers to, and forgets the one that was remembered for the longest time.
    fn rest(&mut self, origin: Key) {
        let entry = self.origins.get_mut(origin);
        if entry.records > 0 || entry.resting {
            return;
        }
        entry.resting = true;
        if std::mem::take(&mut entry.in_turns) {
            self.origins.unlink(&mut self.turns, origin);
        }
        self.origins.push_back(&mut self.resting, origin);
        self.resting_len += 1;
        if self.resting_len <= RESTING {
            return;
        }
        let oldest = self.resting.first().expect("more than none");
        self.wake_up(oldest);
        let hash = self.hasher.hash_one(self.origins.get(oldest).origin.parts());
        if let Ok(found) = self.table.find_entry(hash, |key| *key == oldest) {
            found.remove();
        }
        self.origins.remove(oldest);
    }

    /// Retires every connection that is open, of one origin or of all.
    pub(in crate::pool) fn retire_all(
        &mut self,
        origin: Option<Key>,
        why: Why,
        deferred: &mut Deferred<C>,
    ) -> Reset {
        let mut reset = Reset::default();
        for key in self.links.keys() {
            let link = self.links.get_mut(key);
            if origin.is_some_and(|origin| origin != link.origin) || link.ended || link.retired.is_some() {
                continue;
            }
            match link.stage {
                Stage::Idle => reset.closed += 1,
                Stage::Shared if link.leases == 0 => reset.closed += 1,
                Stage::Busy | Stage::Shared => reset.draining += 1,
                Stage::Reserved | Stage::Connecting | Stage::Closing => {}
            }
            self.retire(key, why, deferred);
        }
        reset
    }

    /// The link finishes what it does, and serves no other request. One that is not open yet serves the request that it is
    /// opened for.
    pub(super) fn retire(&mut self, key: Key, why: Why, deferred: &mut Deferred<C>) {
        let link = self.links.get_mut(key);
        if link.ended || link.stage == Stage::Closing || link.retired.replace(why).is_some() {
            return;
        }
        self.draining += 1;
        self.origins.get_mut(link.origin).draining += 1;
        if matches!(link.stage, Stage::Idle | Stage::Busy | Stage::Shared) && link.leases == 0 {
            self.discard(key, why, deferred);
        }
    }

    /// The link is not among those that drain any more.
    pub(super) fn drained(&mut self, key: Key) {
        let link = self.links.get(key);
        if link.retired.is_some() {
            self.draining -= 1;
            self.origins.get_mut(link.origin).draining -= 1;
        }
    }

    /// Whether nothing is kept any more.
    pub(in crate::pool) const fn closed(&self) -> bool {
        self.closed
    }

    /// Closes what is idle, and from now on whatever becomes idle.
    pub(in crate::pool) fn close(&mut self, deferred: &mut Deferred<C>) {
        self.closed = true;
        let _ = self.retire_all(None, Why::PoolGone, deferred);
    }

    /// Why the link may serve no further request; `None` if it may.
    pub(super) fn unfit(&self, link: Key, now: Instant) -> Option<Why> {
        let link = self.links.get(link);
        if link.retired.is_some() {
            return link.retired;
        }
        if self.closed {
            return Some(Why::PoolGone);
        }
        if link.uses >= self.limits.uses {
            return Some(Why::MaxUses);
        }
        if link.retires.is_some_and(|at| at <= now) {
            return Some(Why::MaxAge);
        }
        let usable = link.connection.as_ref().is_some_and(C::is_usable);
        (!usable).then_some(Why::Unusable)
    }

    /// Takes a link out of use. Its place is free when its task has ended.
    pub(super) fn discard(&mut self, key: Key, why: Why, deferred: &mut Deferred<C>) {
        let link = self.links.get_mut(key);
        if matches!(link.stage, Stage::Closing) || link.ended {
            return;
        }
        let (before, origin) = (std::mem::replace(&mut link.stage, Stage::Closing), link.origin);
        self.drained(key);
        let link = self.links.get_mut(key);
        deferred.close.extend(link.connection.take().map(|connection| (connection, why)));
        let entry = self.origins.get_mut(origin);
        entry.closing += 1;
        self.closing += 1;
        match before {
            Stage::Idle => {
                self.links.unlink(&mut entry.idle, key);
                entry.idle_len -= 1;
                self.idle -= 1;
            }
            Stage::Shared => self.links.unlink(&mut entry.shared, key),
            Stage::Busy => {}
            Stage::Reserved | Stage::Connecting | Stage::Closing => {
                debug_assert!(false, "only an open link is discarded");
            }
        }
    }

    /// Whether connections finish what they do.
    pub(in crate::pool) const fn has_draining(&self) -> bool {
        self.draining > 0
    }

    /// Whether nothing is open, and nothing will be kept.
    pub(in crate::pool) const fn is_emptied(&self) -> bool {
        self.closed && self.open == 0
    }

    /// Links that count against the limit, idle ones, and waiters.
    pub(in crate::pool) fn counts(&self) -> (usize, usize, usize) {
        (self.open, self.idle, self.waiters.len())
    }
}
