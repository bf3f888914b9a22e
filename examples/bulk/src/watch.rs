//! Counts the events of a run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tower_outbound::retry::Release;
use tower_outbound::{Event, Observer};

/// An observer that counts. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    longest_wait: Mutex<Duration>,
    drained: AtomicU64,
    closed: AtomicU64,
    given_up: Mutex<BTreeMap<&'static str, u64>>,
}

/// The counts.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The longest wait for a slot, granted or not: the phase `Queue`. Does not include the backoff.
    pub(crate) longest_wait: Duration,
    /// Refusals that were read to their end before the backoff.
    pub(crate) drained: u64,
    /// Refusals that were dropped before the backoff, which closed their connections.
    pub(crate) closed: u64,
    /// Number of refused requests that were not retried, by the limit that prevented it.
    pub(crate) given_up: BTreeMap<&'static str, u64>,
}

impl Watch {
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            longest_wait: *lock(&self.0.longest_wait),
            drained: self.0.drained.load(Relaxed),
            closed: self.0.closed.load(Relaxed),
            given_up: lock(&self.0.given_up).clone(),
        }
    }
}

fn lock<T>(counted: &Mutex<T>) -> MutexGuard<'_, T> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Watch {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::SlotWaited { attempt: Some(attempt), .. } => {
                let waited = attempt.start_time().elapsed();
                let mut longest = lock(&self.0.longest_wait);
                *longest = waited.max(*longest);
            }
            Event::Released { release: Release::Drained, .. } => {
                self.0.drained.fetch_add(1, Relaxed);
            }
            Event::Released { release: Release::Closed, .. } => {
                self.0.closed.fetch_add(1, Relaxed);
            }
            Event::RetryDecided { decision: Err(limit), .. } => {
                *lock(&self.0.given_up).entry(limit.as_str()).or_default() += 1;
            }
            _ => {}
        }
    }
}
