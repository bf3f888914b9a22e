//! The poll scope: how a connector learns which attempt makes it run.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use super::Attempt;
use super::inner::AttemptInner;

thread_local! {
    static CURRENT: RefCell<Option<Attempt>> = const { RefCell::new(None) };
    /// The id of the attempt whose request the service below is being called with; 0 outside of such a call.
    static CALLING: Cell<u64> = const { Cell::new(0) };
}

/// Makes an attempt, or none, the current one of the thread. Restores the one before when dropped.
pub(crate) struct AttemptScope {
    before: Option<Attempt>,
}

impl AttemptScope {
    pub(super) fn current() -> Option<Attempt> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Makes this the current attempt.
    pub(crate) fn enter(attempt: &Attempt) -> Self {
        let before = CURRENT.try_with(|current| current.replace(Some(attempt.clone()))).ok().flatten();
        Self { before }
    }

    /// Makes no attempt the current one: a connection's own task runs now.
    pub(crate) fn outside() -> Self {
        let before = CURRENT.try_with(RefCell::take).ok().flatten();
        Self { before }
    }
}

/// Marks the call of the service below. Restores the call around it when dropped.
pub(crate) struct CallScope {
    before: u64,
    _attempt: AttemptScope,
}

impl CallScope {
    /// Makes this the current attempt, and its request the one that the service below is called with.
    pub(crate) fn enter(attempt: &Attempt) -> Self {
        let before = CALLING.try_with(|calling| calling.replace(attempt.id())).unwrap_or_default();
        Self { before, _attempt: AttemptScope::enter(attempt) }
    }

    /// Whether the service below is being called with the request of this attempt.
    pub(super) fn is_calling(attempt: &Attempt) -> bool {
        CALLING.try_with(Cell::get).is_ok_and(|calling| calling == attempt.id())
    }
}

impl Drop for CallScope {
    fn drop(&mut self) {
        let _ = CALLING.try_with(|calling| calling.set(self.before));
    }
}

impl Drop for AttemptScope {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}

/// A handle that does not keep the attempt: for state that lives as long as a connection.
#[derive(Clone, Debug)]
pub(crate) struct WeakAttempt(Weak<AttemptInner>);

impl WeakAttempt {
    pub(crate) fn new(attempt: &Attempt) -> Self {
        Self(Arc::downgrade(&attempt.0))
    }

    pub(crate) fn upgrade(&self) -> Option<Attempt> {
        self.0.upgrade().map(Attempt)
    }
}
