//! The poll scope: how the seats below the client learn which attempt makes them run.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use super::Attempt;
use super::record::Inner;

thread_local! {
    static CURRENT: RefCell<Option<Attempt>> = const { RefCell::new(None) };
    /// The attempt whose request body was last asked for by a client on this thread.
    static OFFERED: Cell<Option<Offered>> = const { Cell::new(None) };
}

/// An attempt that may be gone: what is kept with a connection must not keep it.
#[derive(Clone, Debug)]
pub(crate) struct WeakAttempt(Weak<Inner>);

impl WeakAttempt {
    pub(crate) fn upgrade(&self) -> Option<Attempt> {
        self.0.upgrade().map(Attempt)
    }
}

/// One that was said to be unsent is kept, so that the connection cannot miss it.
enum Offered {
    Open(WeakAttempt),
    Sealed(Attempt),
}

/// Puts the attempt back that was current before.
pub(crate) struct AttemptScope {
    before: Option<Attempt>,
}

impl Attempt {
    /// The attempt that is being polled on this thread.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Makes this the current attempt until the guard is dropped.
    pub(crate) fn enter(&self) -> AttemptScope {
        let before = CURRENT.try_with(|current| current.replace(Some(self.clone()))).ok().flatten();
        AttemptScope { before }
    }

    /// No attempt is current until the guard is dropped: what runs now is a connection's own.
    pub(crate) fn step_out() -> AttemptScope {
        let before = CURRENT.try_with(RefCell::take).ok().flatten();
        AttemptScope { before }
    }

    pub(crate) fn downgrade(&self) -> WeakAttempt {
        WeakAttempt(Arc::downgrade(&self.0))
    }

    /// Offers the attempt to the connection that writes next on this thread.
    ///
    /// hyper asks an HTTP/1 request's body whether it is empty in the poll of the connection's task that
    /// then writes the request: so the connection learns whose turn it is, where no extension reaches it.
    pub(crate) fn offer(&self, sealed: bool) {
        let offer = if sealed { Offered::Sealed(self.clone()) } else { Offered::Open(self.downgrade()) };
        let _ = OFFERED.try_with(|offered| offered.set(Some(offer)));
    }

    /// The attempt that was offered last on this thread, if it still is one.
    pub(crate) fn take_offered() -> Option<Self> {
        match OFFERED.try_with(Cell::take).ok().flatten()? {
            Offered::Open(attempt) => attempt.upgrade(),
            Offered::Sealed(attempt) => Some(attempt),
        }
    }
}

impl Drop for AttemptScope {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}
