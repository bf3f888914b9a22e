use std::task::Waker;

use smallvec::SmallVec;

use super::Why;

/// What remains to be done after the lock is released: wakers and connections may own tasks.
#[derive(Debug)]
#[must_use]
pub(in crate::pool) struct Deferred<C> {
    /// Wake these waiters.
    pub(in crate::pool) wake: SmallVec<[Waker; 1]>,
    /// Drop these wakers.
    pub(in crate::pool) dropped: SmallVec<[Waker; 1]>,
    /// Close these connections: nothing is sent on them any more.
    pub(in crate::pool) close: SmallVec<[(C, Why); 1]>,
    /// Given to a request that has gone. Nothing is to be done but to drop this handle.
    pub(in crate::pool) unused: SmallVec<[C; 1]>,
}

impl<C> Default for Deferred<C> {
    fn default() -> Self {
        Self {
            wake: SmallVec::new(),
            dropped: SmallVec::new(),
            close: SmallVec::new(),
            unused: SmallVec::new(),
        }
    }
}
