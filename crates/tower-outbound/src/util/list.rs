//! Intrusive lists: a [`Slab`] owns values, and each value is in at most one [`List`].

#[cfg(all(test, debug_assertions))]
use std::cell::Cell;

/// The place of a value in a [`Slab`], valid until the value is removed.
pub(crate) type Key = u32;

const NONE: Key = Key::MAX;
/// An empty slab keeps the memory of at most this many values.
const CAPACITY_KEPT: usize = 1024;

/// Values by key. Removed values leave their place to later ones. Every operation takes constant time.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    nodes: Vec<Node<T>>,
    /// The first free place; free places are linked by `next`.
    free: Key,
    len: usize,
    /// Not in release builds, which measure the cost of a step.
    #[cfg(all(test, debug_assertions))]
    visits: Cell<usize>,
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    previous: Key,
    next: Key,
}

/// A doubly linked list of values of one [`Slab`].
#[derive(Debug)]
pub(crate) struct List {
    first: Key,
    last: Key,
}

impl List {
    pub(crate) const fn new() -> Self {
        Self { first: NONE, last: NONE }
    }

    pub(crate) const fn first(&self) -> Option<Key> {
        if self.first == NONE { None } else { Some(self.first) }
    }

    pub(crate) const fn last(&self) -> Option<Key> {
        if self.last == NONE { None } else { Some(self.last) }
    }
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: NONE,
            len: 0,
            #[cfg(all(test, debug_assertions))]
            visits: Cell::new(0),
        }
    }

    #[inline]
    fn node(&self, key: Key) -> &Node<T> {
        #[cfg(all(test, debug_assertions))]
        self.visits.set(self.visits.get() + 1);
        &self.nodes[key as usize]
    }

    #[inline]
    fn node_mut(&mut self, key: Key) -> &mut Node<T> {
        #[cfg(all(test, debug_assertions))]
        self.visits.set(self.visits.get() + 1);
        &mut self.nodes[key as usize]
    }

    /// Inserts a value that is in no list yet.
    pub(crate) fn insert(&mut self, value: T) -> Key {
        let node = Node { value: Some(value), previous: NONE, next: NONE };
        self.len += 1;
        if self.free != NONE {
            let key = self.free;
            self.free = std::mem::replace(self.node_mut(key), node).next;
            return key;
        }
        let key = Key::try_from(self.nodes.len()).ok().filter(|key| *key != NONE);
        self.nodes.push(node);
        key.expect("fewer values than keys: so many futures do not fit into memory")
    }

    /// Removes a value that is in no list any more.
    pub(crate) fn remove(&mut self, key: Key) -> T {
        let free = self.free;
        let node = self.node_mut(key);
        let value = node.value.take().expect("a key is removed once");
        node.next = free;
        self.free = key;
        self.len -= 1;
        if self.len == 0 && self.nodes.capacity() > CAPACITY_KEPT {
            *self = Self::new();
        }
        value
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> &T {
        self.node(key).value.as_ref().expect("a key is not used after its removal")
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> &mut T {
        self.node_mut(key).value.as_mut().expect("a key is not used after its removal")
    }

    /// The keys of all values.
    pub(crate) fn keys(&self) -> Vec<Key> {
        (0..).zip(&self.nodes).filter(|(_, node)| node.value.is_some()).map(|(key, _)| key).collect()
    }

    /// Appends a value that is in no list.
    #[inline]
    pub(crate) fn push_back(&mut self, list: &mut List, key: Key) {
        let node = self.node_mut(key);
        (node.previous, node.next) = (list.last, NONE);
        match list.last {
            NONE => list.first = key,
            last => self.node_mut(last).next = key,
        }
        list.last = key;
    }

    /// Takes a value out of the list that it is in.
    #[inline]
    pub(crate) fn unlink(&mut self, list: &mut List, key: Key) {
        let Node { previous, next, .. } = *self.node(key);
        match previous {
            NONE => list.first = next,
            previous => self.node_mut(previous).next = next,
        }
        match next {
            NONE => list.last = previous,
            next => self.node_mut(next).previous = previous,
        }
    }

    /// The value behind this one in its list.
    pub(crate) fn next(&self, key: Key) -> Option<Key> {
        Some(self.node(key).next).filter(|next| *next != NONE)
    }

    /// The value before this one in its list.
    pub(crate) fn previous(&self, key: Key) -> Option<Key> {
        Some(self.node(key).previous).filter(|previous| *previous != NONE)
    }

    pub(crate) fn pop_front(&mut self, list: &mut List) -> Option<Key> {
        let first = list.first()?;
        self.unlink(list, first);
        Some(first)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.nodes.capacity()
    }

    /// How often a value was read or moved.
    #[cfg(all(test, debug_assertions))]
    pub(crate) fn visits(&self) -> usize {
        self.visits.get()
    }
}

#[cfg(test)]
mod tests;
