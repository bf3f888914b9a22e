//! [`Timers`]: the queues of a stack, by runtime and duration.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Waker;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::runtime::{Handle, Id};
use tokio::time::Instant;

use super::queue::{ArmedTimer, Queue};

/// Queues without armed timers are removed beyond this number.
const QUEUES_KEPT: usize = 64;

/// The queues of a stack: one per duration and runtime.
pub(crate) struct Timers(RwLock<Queues>);

struct Queues {
    by_duration: HashMap<(Id, Duration), Arc<Queue>>,
    sweep_at: usize,
}

impl Timers {
    /// Arms a timer that fires `after` `now`. `None` without a tokio runtime, and if the deadline overflows.
    pub(super) fn arm(&self, now: Instant, after: Duration, waker: &Waker) -> Option<ArmedTimer> {
        let deadline = now.checked_add(after)?;
        let runtime = Handle::try_current().ok()?.id();
        Some(ArmedTimer::new(self.queue((runtime, after)), deadline, waker))
    }

    fn queue(&self, key: (Id, Duration)) -> Arc<Queue> {
        let queues = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.by_duration.get(&key) {
            return queue.clone();
        }
        drop(queues);
        let mut queues = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let unused = queues.sweep();
        let queue = queues.by_duration.entry(key).or_insert_with(Queue::new).clone();
        drop(queues);
        drop(unused);
        queue
    }

    #[cfg(test)]
    pub(super) fn queues(&self) -> Vec<Arc<Queue>> {
        self.0.read().unwrap().by_duration.values().cloned().collect()
    }
}

impl Queues {
    /// Takes out the queues that no armed timer holds.
    fn sweep(&mut self) -> Vec<Arc<Queue>> {
        if self.by_duration.len() < self.sweep_at {
            return Vec::new();
        }
        let unused = self.by_duration.extract_if(|_, queue| Arc::strong_count(queue) == 1);
        let unused = unused.map(|(_, queue)| queue).collect();
        self.sweep_at = QUEUES_KEPT.max(2 * self.by_duration.len());
        unused
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self(RwLock::new(Queues { by_duration: HashMap::new(), sweep_at: QUEUES_KEPT }))
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").finish_non_exhaustive()
    }
}
