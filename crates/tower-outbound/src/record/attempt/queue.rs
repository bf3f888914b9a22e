use tokio::time::Instant;

use super::Attempt;

/// An attempt, as the limit of requests in flight writes to it.
#[derive(Clone, Copy)]
pub(crate) struct AttemptQueue<'a>(pub(super) &'a Attempt);

impl AttemptQueue<'_> {
    /// The attempt begins to wait for a slot.
    pub(crate) fn enter(self) {
        let inner = &*self.0.0;
        inner.marks.slot.clear();
        inner.marks.queued.set(inner.start, Instant::now());
    }

    /// The attempt has waited, and has a slot.
    pub(crate) fn leave(self) {
        let inner = &*self.0.0;
        inner.marks.slot.set(inner.start, Instant::now());
    }

    /// A slot was free. The wait at another limit, if any, stays recorded.
    pub(crate) fn skip(self) {
        let inner = &*self.0.0;
        inner.marks.slot.set_once(inner.start, inner.start);
    }
}
