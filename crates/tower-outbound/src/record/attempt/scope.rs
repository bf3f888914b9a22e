//! The poll scope: how a connector learns which attempt makes it run.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::Attempt;
use super::inner::AttemptInner;

thread_local! {
    static CURRENT: RefCell<Option<Attempt>> = const { RefCell::new(None) };
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
