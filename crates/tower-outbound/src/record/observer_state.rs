//! The state of observers in a record: set once, without a map or a lock.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// An observer's key to its state in the records ([`Attempt`](crate::Attempt), [`Call`](crate::Call),
/// [`Connection`](crate::Connection), [`Setup`](crate::connect::Setup), [`Origin`](crate::Origin)).
///
/// Create one key per observer and kind of state. Two keys never share a value.
pub struct ObserverKey<T> {
    id: u64,
    marker: PhantomData<fn() -> T>,
}

impl<T> ObserverKey<T> {
    /// Creates a new key.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), marker: PhantomData }
    }
}

impl<T> Default for ObserverKey<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for ObserverKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The states of the observers in one record.
#[derive(Default)]
pub(crate) struct ObserverStates {
    cell: OnceLock<(u64, Box<dyn Any + Send + Sync>)>,
    next: OnceLock<Box<ObserverStates>>,
    /// The record began while nothing was observed: observers get none of its events.
    unobserved: AtomicBool,
}

impl ObserverStates {
    pub(crate) fn set_unobserved(&self) {
        self.unobserved.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_unobserved(&self) -> bool {
        self.unobserved.load(Ordering::Relaxed)
    }

    /// Observers get the events of the record from now on. Returns whether they did not before.
    pub(crate) fn set_observed(&self) -> bool {
        self.unobserved.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn get<T: Any>(&self, key: &ObserverKey<T>) -> Option<&T> {
        let mut at = self;
        loop {
            let (id, value) = at.cell.get()?;
            if *id == key.id {
                return value.downcast_ref();
            }
            at = at.next.get()?;
        }
    }

    /// The value of the key, created by `init` if there is none.
    pub(crate) fn get_or_init<T: Any + Send + Sync>(
        &self,
        key: &ObserverKey<T>,
        init: impl FnOnce() -> T,
    ) -> &T {
        let mut init = Some(init);
        let mut at = self;
        loop {
            let (id, value) = at.cell.get_or_init(|| {
                let init = init.take().expect("a state is made at most once");
                (key.id, Box::new(init()))
            });
            if *id == key.id {
                return value.downcast_ref().expect("the id of a key belongs to one type");
            }
            at = at.next.get_or_init(Box::default);
        }
    }
}

impl fmt::Debug for ObserverStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObserverStates")
    }
}

/// The two methods that give observers their state. The record has its [`ObserverStates`] in `self.0.observer_states`.
macro_rules! observer_state {
    () => {
        /// An observer's state in this record.
        #[must_use]
        pub fn observer_state<T: Send + Sync + 'static>(
            &self,
            key: &$crate::record::ObserverKey<T>,
        ) -> Option<&T> {
            self.0.observer_states.get(key)
        }

        /// An observer's state in this record, created by `init` if there is none.
        pub fn observer_state_or_init<T: Send + Sync + 'static>(
            &self,
            key: &$crate::record::ObserverKey<T>,
            init: impl FnOnce() -> T,
        ) -> &T {
            self.0.observer_states.get_or_init(key, init)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observer_keys_of_same_type_keep_separate_values() {
        let (a, b) = (ObserverKey::<u32>::new(), ObserverKey::<u32>::new());
        let states = ObserverStates::default();
        assert_eq!(*states.get_or_init(&a, || 1), 1);
        assert_eq!(states.get(&b), None);
        assert_eq!(*states.get_or_init(&b, || 2), 2);
        assert_eq!(*states.get_or_init(&a, || 3), 1, "set once");
        assert_eq!((states.get(&a), states.get(&b)), (Some(&1), Some(&2)));
    }
}
