//! [`Permit`]: a held slot.

use std::fmt;
use std::sync::Arc;

use super::limiter::{Holder, Limiter};
use crate::event::Event;
use crate::util::list::Key;

/// A slot, released on drop.
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    holder: Holder,
    origin: Key,
}

impl Permit {
    pub(super) fn new(limiter: Arc<Limiter>, holder: Holder, origin: Key) -> Self {
        Self { limiter, holder, origin }
    }

    /// Records that the slot was free, so that the attempt spent no time in the queue.
    pub(super) fn skip_queue(&self) {
        if let Some(attempt) = &self.holder.attempt {
            attempt.queue().skip();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Holder { origin, attempt } = &self.holder;
        // Before the release, so that observers never count more slots than there are.
        self.limiter.registry().emit(&Event::SlotReturned { origin, attempt: attempt.as_ref() });
        let deferred = self.limiter.lock().release(self.origin);
        self.limiter.finish(deferred);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("origin", &self.holder.origin).finish_non_exhaustive()
    }
}
