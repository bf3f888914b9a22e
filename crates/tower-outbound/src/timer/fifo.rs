//! A list in the order of arming, from which any entry is taken in constant time.

use std::task::Waker;

use tokio::time::Instant;

/// No entry.
const NONE: usize = usize::MAX;
/// An empty list keeps room for so many.
const ROOM_KEPT: usize = 1024;

/// Entries by place, linked in the order of arming. A place belongs to whoever armed it until it is freed,
/// also when it has fallen due.
#[derive(Debug)]
pub(super) struct Fifo {
    places: Vec<Place>,
    first: usize,
    last: usize,
    free: usize,
    taken: usize,
}

#[derive(Debug)]
struct Place {
    deadline: Instant,
    waker: Option<Waker>,
    armed: bool,
    before: usize,
    after: usize,
}

impl Fifo {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), first: NONE, last: NONE, free: NONE, taken: 0 }
    }

    /// Arms at the end; returns the place.
    pub(super) fn push(&mut self, deadline: Instant, waker: Waker) -> usize {
        let place = Place { deadline, waker: Some(waker), armed: true, before: self.last, after: NONE };
        let at = match self.free {
            NONE => {
                self.places.push(place);
                self.places.len() - 1
            }
            free => {
                self.free = self.places[free].after;
                self.places[free] = place;
                free
            }
        };
        match self.last {
            NONE => self.first = at,
            last => self.places[last].after = at,
        }
        self.last = at;
        self.taken += 1;
        at
    }

    /// Frees a place. What it returns is to be dropped without a lock held, as a waker may own a task.
    #[must_use]
    pub(super) fn free(&mut self, at: usize) -> Option<Waker> {
        self.unlink(at);
        self.places[at].after = self.free;
        self.free = at;
        self.taken -= 1;
        let waker = self.places[at].waker.take();
        if self.taken == 0 && self.places.capacity() > ROOM_KEPT {
            *self = Self::new();
        }
        waker
    }

    /// Whether the place has fallen due; if not, this one is woken then. Returns the one it was before.
    pub(super) fn look(&mut self, at: usize, waker: &Waker) -> (bool, Option<Waker>) {
        let place = &mut self.places[at];
        let replace = place.armed && !place.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        let before = if replace { place.waker.replace(waker.clone()) } else { None };
        (!place.armed, before)
    }

    pub(super) fn is_due(&self, at: usize) -> bool {
        !self.places[at].armed
    }

    /// Takes the first if it is due; its place stays its owner's.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Option<Waker>> {
        let first = self.first;
        (self.next_deadline()? <= now).then(|| {
            self.unlink(first);
            self.places[first].waker.take()
        })
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        (self.first != NONE).then(|| self.places[self.first].deadline)
    }

    fn unlink(&mut self, at: usize) {
        let Place { before, after, armed, .. } = self.places[at];
        if !armed {
            return;
        }
        match before {
            NONE => self.first = after,
            before => self.places[before].after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.places[after].before = before,
        }
        self.places[at].armed = false;
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.places.capacity()
    }
}
