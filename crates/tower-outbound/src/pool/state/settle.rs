//! HTTP/1 connections whose callers have the whole response, and for which hyper does not want another request yet.
//!
//! On several threads the task of such a connection may still be in the poll that brought the end of the response. A request
//! that comes meanwhile would open a connection that nobody needs. So as many waiters as there are such connections hold
//! their connects back for a moment.

use std::time::Duration;

use super::link::Stage;
use super::{Deferred, Pooled, State};
use crate::util::list::Key;

/// How long a connect is held back if the connection becomes ready without any help: the request had no body. The thread
/// that is to make it ready may have lost its processor.
const SURE: Duration = Duration::from_millis(100);
/// The same if the peer may not have taken the whole request yet.
const POSSIBLE: Duration = Duration::from_millis(1);

/// Connections of an origin that become ready soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    pub(super) all: usize,
    /// Of these, the ones whose request had no body.
    sure: usize,
}

/// How a connection becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum Settles {
    Surely,
    Possibly,
}

impl Settling {
    pub(super) const NONE: Self = Self { all: 0, sure: 0 };

    fn count(&mut self, settles: Settles) {
        self.all += 1;
        self.sure += usize::from(settles == Settles::Surely);
    }

    fn discount(&mut self, settles: Settles) {
        self.all -= 1;
        self.sure -= usize::from(settles == Settles::Surely);
    }
}

impl<C: Pooled, E: Clone> State<C, E> {
    /// The caller has the whole response. [`give_back`](Self::give_back) follows.
    pub(in crate::pool) fn settling(&mut self, key: Key, settles: Settles) {
        let link = self.links.get_mut(key);
        link.settles = Some(settles);
        self.origins.get_mut(link.origin).settling.count(settles);
    }

    /// The connection is ready, or it will never be. `true` if connects were held back for it.
    pub(super) fn settled(&mut self, key: Key) -> bool {
        let link = self.links.get_mut(key);
        let Some(settles) = link.settles.take() else { return false };
        self.origins.get_mut(link.origin).settling.discount(settles);
        true
    }

    /// How long the waiter is to hold its connect back; `None`: not at all.
    pub(super) fn hold_back(&self, waiter: Key) -> Option<Duration> {
        let entry = self.origins.get(self.waiters.get(waiter).origin);
        let first = std::iter::successors(entry.paired.first(), |key| self.waiters.next(*key));
        let settling = first.take(entry.settling.all).any(|key| key == waiter);
        let settling = settling.then_some(if entry.settling.sure > 0 { SURE } else { POSSIBLE });
        let after = self.limits.connect_after;
        let busy = (!after.is_zero() && entry.live() > 0).then_some(after);
        settling.max(busy)
    }

    /// Connects of the origin are not held back any more for a connection that went elsewhere.
    pub(super) fn wake_held(&mut self, origin: Key, deferred: &mut Deferred<C>) {
        let mut next = self.origins.get(origin).paired.first();
        while let Some(key) = next {
            next = self.waiters.next(key);
            let waiter = self.waiters.get_mut(key);
            let reserved = |link: Key| self.links.get(link).stage == Stage::Reserved;
            if waiter.link.is_some_and(reserved) {
                deferred.wake.extend(waiter.waker.take());
            }
        }
    }
}
