use std::task::Waker;

use super::Why;

/// What remains to be done after the lock is released: wakers and connections may own tasks.
///
/// Mostly empty, and then costs no allocation.
#[derive(Debug)]
#[must_use]
pub(in crate::pool) struct Deferred<C> {
    /// Wake these waiters.
    pub(in crate::pool) wake: Vec<Waker>,
    /// Drop these wakers.
    pub(in crate::pool) dropped: Vec<Waker>,
    /// Close these connections: nothing is sent on them any more.
    pub(in crate::pool) close: Vec<(C, Why)>,
    /// Given to a request that has gone. Nothing is to be done but to drop this handle.
    pub(in crate::pool) unused: Vec<C>,
}

impl<C> Deferred<C> {
    pub(in crate::pool) fn is_empty(&self) -> bool {
        let Self { wake, dropped, close, unused } = self;
        wake.is_empty() && dropped.is_empty() && close.is_empty() && unused.is_empty()
    }
}

impl<C> Default for Deferred<C> {
    fn default() -> Self {
        Self { wake: Vec::new(), dropped: Vec::new(), close: Vec::new(), unused: Vec::new() }
    }
}
