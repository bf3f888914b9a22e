//! Bound instruments by a small key.

use std::borrow::Borrow;
use std::sync::{Arc, PoisonError, RwLock};

/// Handles of further keys are made for each record: a caller may invent templates.
const KEPT: usize = 256;

/// Handles by key. Scanning few keys is faster than hashing one.
#[derive(Debug)]
pub(super) struct Cache<K, V>(RwLock<Vec<(K, Arc<V>)>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: PartialEq + Clone, V> Cache<K, V> {
    /// The handle of a key. `make` runs without a lock, since it calls the SDK.
    pub(super) fn get(&self, key: impl Borrow<K>, make: impl FnOnce() -> V) -> Arc<V> {
        let key = key.borrow();
        let find = |entries: &[(K, Arc<V>)]| {
            entries.iter().find(|(known, _)| known == key).map(|(_, value)| Arc::clone(value))
        };
        if let Some(value) = find(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return value;
        }
        let made = Arc::new(make());
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = find(&entries) {
            return value;
        }
        if entries.len() < KEPT {
            entries.push((key.clone(), Arc::clone(&made)));
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_handle_made_once_and_keys_bounded() {
        let cache = Cache::<u32, u32>::default();
        assert_eq!(*cache.get(1, || 10), 10);
        assert_eq!(*cache.get(1, || 11), 10);
        for key in 0..1000 {
            cache.get(key, || 0);
        }
        assert_eq!(cache.0.read().unwrap().len(), KEPT);
        assert_eq!(*cache.get(999, || 7), 7, "not cached");
    }
}
