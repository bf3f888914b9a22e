//! Bound instruments by a small key.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::OnceLock;

/// Handles of further keys are made for each record: a caller may invent templates.
const KEPT: usize = 256;

/// Handles by key, in the order in which they came. Scanning few keys is faster than hashing one, and takes no lock.
#[derive(Debug)]
pub(super) struct Cache<K, V>(OnceLock<Box<Entry<K, V>>>);

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    next: Cache<K, V>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// The handle of a key.
#[derive(Debug)]
pub(super) enum Handle<'a, V> {
    Kept(&'a V),
    /// There are too many keys.
    Single(V),
}

impl<V> Deref for Handle<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        match self {
            Self::Kept(value) => value,
            Self::Single(value) => value,
        }
    }
}

impl<K: PartialEq + Clone, V> Cache<K, V> {
    /// The handle of a key. `make` runs without a lock, since it calls the SDK.
    pub(super) fn get(&self, key: impl Borrow<K>, make: impl FnOnce() -> V) -> Handle<'_, V> {
        let key = key.borrow();
        let (mut at, mut left) = (self, KEPT);
        while let Some(entry) = at.0.get() {
            if entry.key == *key {
                return Handle::Kept(&entry.value);
            }
            (at, left) = (&entry.next, left - 1);
        }
        let mut made = Some(Box::new(Entry { key: key.clone(), value: make(), next: Self::default() }));
        while left > 0 {
            // Another thread may be faster, with this key or another one.
            made = made.and_then(|made| at.0.set(made).err());
            let entry = at.0.get().expect("set above, or by another thread");
            if entry.key == *key {
                return Handle::Kept(&entry.value);
            }
            (at, left) = (&entry.next, left - 1);
        }
        Handle::Single(made.expect("not set").value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(cache: &Cache<u32, u32>, key: u32, make: impl FnOnce() -> u32) -> u32 {
        *cache.get(key, make)
    }

    fn len(cache: &Cache<u32, u32>) -> usize {
        cache.0.get().map_or(0, |entry| 1 + len(&entry.next))
    }

    #[test]
    fn cache_handle_made_once_and_keys_bounded() {
        let cache = Cache::default();
        assert_eq!(get(&cache, 1, || 10), 10);
        assert_eq!(get(&cache, 1, || 11), 10);
        for key in 0..1000 {
            get(&cache, key, || 0);
        }
        assert_eq!(len(&cache), KEPT);
        assert_eq!(get(&cache, 999, || 7), 7, "not kept");
    }

    #[test]
    fn cache_used_while_handle_is_made_keeps_both() {
        let cache = Cache::default();
        let outer = get(&cache, 1, || {
            assert_eq!(get(&cache, 2, || 20), 20);
            assert_eq!(get(&cache, 1, || 10), 10);
            11
        });
        assert_eq!(outer, 10, "the first one is kept");
        assert_eq!((get(&cache, 2, || 0), len(&cache)), (20, 2));
    }
}
