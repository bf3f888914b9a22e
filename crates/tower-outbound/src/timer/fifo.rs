//! [`Fifo`]: the armed timers of one queue, in the order of their deadlines.

use std::task::Waker;

use tokio::time::Instant;

use crate::util::list::{Key, List, Slab};

/// Timers of one duration. Deadlines only grow, so the order of arming is the order of the deadlines.
///
/// A key belongs to the owner of the timer until it is freed, also after the timer has fired.
#[derive(Debug)]
pub(super) struct Fifo {
    timers: Slab<Timer>,
    armed: List,
}

#[derive(Debug)]
struct Timer {
    deadline: Instant,
    waker: Option<Waker>,
    /// Whether the timer is in the list; otherwise it has fired.
    armed: bool,
}

impl Fifo {
    pub(super) const fn new() -> Self {
        Self { timers: Slab::new(), armed: List::new() }
    }

    /// Arms a timer behind all others.
    pub(super) fn push(&mut self, deadline: Instant, waker: Waker) -> Key {
        let key = self.timers.insert(Timer { deadline, waker: Some(waker), armed: true });
        self.timers.push_back(&mut self.armed, key);
        key
    }

    /// Frees a timer. The caller drops the returned waker without a lock held, since a waker may own a task.
    #[must_use]
    pub(super) fn free(&mut self, key: Key) -> Option<Waker> {
        if self.timers.get(key).armed {
            self.timers.unlink(&mut self.armed, key);
        }
        self.timers.remove(key).waker
    }

    /// Returns whether the timer has fired. If not, `waker` replaces its waker, and the previous one is returned.
    pub(super) fn poll(&mut self, key: Key, waker: &Waker) -> (bool, Option<Waker>) {
        let timer = self.timers.get_mut(key);
        let replace = timer.armed && !timer.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        let previous = if replace { timer.waker.replace(waker.clone()) } else { None };
        (!timer.armed, previous)
    }

    #[cfg(test)]
    pub(super) fn has_fired(&self, key: Key) -> bool {
        !self.timers.get(key).armed
    }

    /// Fires the first timer if its deadline has passed, and returns its waker.
    pub(super) fn fire_first(&mut self, now: Instant) -> Option<Option<Waker>> {
        let first = self.armed.first()?;
        let timer = self.timers.get_mut(first);
        if timer.deadline > now {
            return None;
        }
        timer.armed = false;
        let waker = timer.waker.take();
        self.timers.unlink(&mut self.armed, first);
        Some(waker)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.armed.first().map(|first| self.timers.get(first).deadline)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.timers.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.timers.capacity()
    }
}
