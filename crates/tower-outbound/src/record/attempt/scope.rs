//! The poll scope: how a connector learns which attempt makes it run.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use super::Attempt;
use super::inner::AttemptInner;
use crate::record::Call;

thread_local! {
    static CURRENT: RefCell<Option<Attempt>> = const { RefCell::new(None) };
    /// The id of the attempt whose request the service below is being called with; 0 outside of such a call.
    static CALLING: Cell<u64> = const { Cell::new(0) };
    /// The call of the attempt that starts next.
    static HANDED_OVER: RefCell<Option<Call>> = const { RefCell::new(None) };
}

/// Hands a call to the attempt that starts next on the thread. Takes the call back when dropped.
pub(crate) struct CallHandOver {
    before: Option<Call>,
}

impl CallHandOver {
    #[inline]
    pub(crate) fn enter(call: &Call) -> Self {
        let before = HANDED_OVER.try_with(|handed| handed.replace(Some(call.clone()))).ok().flatten();
        Self { before }
    }

    /// The call for an attempt whose request has none.
    #[inline]
    pub(super) fn take() -> Option<Call> {
        HANDED_OVER.try_with(RefCell::take).ok().flatten()
    }
}

impl Drop for CallHandOver {
    #[inline]
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = HANDED_OVER.try_with(|handed| handed.replace(before));
    }
}

/// Makes an attempt, or none, the current one of the thread. Restores the one before when dropped.
pub(crate) struct AttemptScope {
    before: Option<Attempt>,
}

impl AttemptScope {
    #[inline]
    pub(super) fn current() -> Option<Attempt> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// What this finds of the current attempt, without a handle to it. It must not change the scope.
    #[inline]
    pub(super) fn with_current<R>(look: impl FnOnce(&Attempt) -> R) -> Option<R> {
        CURRENT.try_with(|current| current.borrow().as_ref().map(look)).ok().flatten()
    }

    /// Makes this the current attempt.
    #[inline]
    pub(crate) fn enter(attempt: &Attempt) -> Self {
        let before = CURRENT.try_with(|current| current.replace(Some(attempt.clone()))).ok().flatten();
        Self { before }
    }

    /// Makes no attempt the current one: a connection's own task runs now.
    #[inline]
    pub(crate) fn outside() -> Self {
        let before = CURRENT.try_with(RefCell::take).ok().flatten();
        Self { before }
    }
}

/// Marks the call of the service below. Restores the call around it when dropped.
pub(crate) struct CallScope {
    _calling: Calling,
    _attempt: AttemptScope,
}

impl CallScope {
    /// Makes this the current attempt, and its request the one that the service below is called with.
    #[inline]
    pub(crate) fn enter(attempt: &Attempt) -> Self {
        Self { _calling: Calling::enter(attempt.id()), _attempt: AttemptScope::enter(attempt) }
    }

    /// The request that the service is being called with. A layer that calls the service below it later
    /// [resumes](Self::resume) the call then.
    #[inline]
    pub(crate) fn suspend() -> SuspendedCall {
        SuspendedCall(CALLING.try_with(Cell::get).unwrap_or_default())
    }

    #[inline]
    pub(crate) fn resume(SuspendedCall(attempt): SuspendedCall) -> Calling {
        Calling::enter(attempt)
    }

    /// Whether the service below is being called with the request of this attempt.
    #[inline]
    pub(super) fn is_calling(attempt: &Attempt) -> bool {
        CALLING.try_with(Cell::get).is_ok_and(|calling| calling == attempt.id())
    }
}

/// The id of an attempt; 0 for none.
#[derive(Clone, Copy)]
pub(crate) struct SuspendedCall(u64);

/// Restores the call around when dropped.
pub(crate) struct Calling {
    before: u64,
}

impl Calling {
    #[inline]
    fn enter(attempt: u64) -> Self {
        Self { before: CALLING.try_with(|calling| calling.replace(attempt)).unwrap_or_default() }
    }
}

impl Drop for Calling {
    #[inline]
    fn drop(&mut self) {
        let _ = CALLING.try_with(|calling| calling.set(self.before));
    }
}

impl Drop for AttemptScope {
    #[inline]
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}

/// A handle that does not keep the attempt: for state that lives as long as a connection.
#[derive(Clone, Debug)]
pub(crate) struct WeakAttempt(Weak<AttemptInner>);

impl WeakAttempt {
    #[inline]
    pub(crate) fn new(attempt: &Attempt) -> Self {
        Self(Arc::downgrade(&attempt.0))
    }

    #[inline]
    pub(crate) fn upgrade(&self) -> Option<Attempt> {
        self.0.upgrade().map(Attempt)
    }
}
