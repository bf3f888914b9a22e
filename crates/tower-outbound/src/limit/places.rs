//! Values by place, each in one list at most, from which it is taken in constant time.

#[cfg(all(test, debug_assertions))]
use std::cell::Cell;

/// Where a value lies; it stays there until it is removed.
pub(super) type Place = u32;

/// No place.
const NONE: Place = Place::MAX;
/// So much room is kept when nothing is left.
const ROOM_KEPT: usize = 1024;

/// The values. Removed ones leave their room to the next.
#[derive(Debug)]
pub(super) struct Places<T> {
    nodes: Vec<Node<T>>,
    free: Place,
    taken: usize,
    /// Not in release, where it is measured what a step costs.
    #[cfg(all(test, debug_assertions))]
    visits: Cell<usize>,
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    before: Place,
    after: Place,
}

/// Some of the values, in an order.
#[derive(Debug)]
pub(super) struct List {
    first: Place,
    last: Place,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { first: NONE, last: NONE }
    }

    pub(super) const fn first(&self) -> Option<Place> {
        if self.first == NONE { None } else { Some(self.first) }
    }
}

impl<T> Places<T> {
    pub(super) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: NONE,
            taken: 0,
            #[cfg(all(test, debug_assertions))]
            visits: Cell::new(0),
        }
    }

    fn node(&self, at: Place) -> &Node<T> {
        #[cfg(all(test, debug_assertions))]
        self.visits.set(self.visits.get() + 1);
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: Place) -> &mut Node<T> {
        #[cfg(all(test, debug_assertions))]
        self.visits.set(self.visits.get() + 1);
        &mut self.nodes[at as usize]
    }

    pub(super) fn insert(&mut self, value: T) -> Place {
        let node = Node { value: Some(value), before: NONE, after: NONE };
        self.taken += 1;
        if self.free != NONE {
            let at = self.free;
            self.free = std::mem::replace(self.node_mut(at), node).after;
            return at;
        }
        let at = Place::try_from(self.nodes.len()).ok().filter(|at| *at != NONE);
        self.nodes.push(node);
        at.expect("as many futures do not fit into memory")
    }

    /// Takes a value out; it is in no list.
    pub(super) fn remove(&mut self, at: Place) -> T {
        let free = self.free;
        let node = self.node_mut(at);
        let value = node.value.take().expect("a place is removed once");
        node.after = free;
        self.free = at;
        self.taken -= 1;
        if self.taken == 0 && self.nodes.capacity() > ROOM_KEPT {
            *self = Self::new();
        }
        value
    }

    pub(super) fn get(&self, at: Place) -> &T {
        self.node(at).value.as_ref().expect("a place is used until it is removed")
    }

    pub(super) fn get_mut(&mut self, at: Place) -> &mut T {
        self.node_mut(at).value.as_mut().expect("a place is used until it is removed")
    }

    pub(super) fn push_last(&mut self, list: &mut List, at: Place) {
        let node = self.node_mut(at);
        (node.before, node.after) = (list.last, NONE);
        match list.last {
            NONE => list.first = at,
            last => self.node_mut(last).after = at,
        }
        list.last = at;
    }

    /// Takes a value out of the list that it is in.
    pub(super) fn unlink(&mut self, list: &mut List, at: Place) {
        let Node { before, after, .. } = *self.node(at);
        match before {
            NONE => list.first = after,
            before => self.node_mut(before).after = after,
        }
        match after {
            NONE => list.last = before,
            after => self.node_mut(after).before = before,
        }
    }

    pub(super) fn pop_first(&mut self, list: &mut List) -> Option<Place> {
        let first = list.first()?;
        self.unlink(list, first);
        Some(first)
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.nodes.capacity()
    }

    /// How often a value was looked at or moved.
    #[cfg(all(test, debug_assertions))]
    pub(super) fn visits(&self) -> usize {
        self.visits.get()
    }
}
