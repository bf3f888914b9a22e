//! The figures of each origin.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tower_outbound::Origin;

use crate::minute::{Counts, End, Minute};

/// The figures of an origin.
#[derive(Debug)]
pub(crate) struct OriginFigures {
    counted: Mutex<Counted>,
    /// Requests that wait for a connection of our pool, or for a slot.
    pub(crate) waiting: AtomicI64,
    /// The in-flight limit; 0 without one.
    pub(crate) slots: AtomicUsize,
}

#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) total: Counts,
    pub(crate) minute: Minute,
    last: Instant,
}

impl OriginFigures {
    fn new(now: Instant) -> Self {
        let counted = Counted { total: Counts::default(), minute: Minute::new(now), last: now };
        Self { counted: Mutex::new(counted), waiting: AtomicI64::new(0), slots: AtomicUsize::new(0) }
    }

    pub(crate) fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, at: Instant, end: &End<'_>) {
        let mut counted = self.counted();
        counted.total.add(end);
        counted.minute.add(at, end);
        counted.last = at;
    }
}

/// The figures of all origins, by their name.
#[derive(Debug)]
pub(crate) struct Origins {
    max: usize,
    known: Mutex<HashMap<String, Arc<OriginFigures>>>,
    other: Arc<OriginFigures>,
}

/// The line that origins beyond the limit share.
const OTHER: &str = "other";

impl Origins {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, known: Mutex::default(), other: Arc::new(OriginFigures::new(Instant::now())) }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<OriginFigures>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures of an origin that has not been seen lately.
    pub(crate) fn open(&self, origin: &Origin) -> Arc<OriginFigures> {
        let name = origin.to_string();
        let mut known = self.known();
        if let Some(figures) = known.get(&name) {
            return figures.clone();
        }
        if known.len() >= self.max {
            // One that no record of an origin refers to any more.
            let unused = known.iter().filter(|(_, figures)| Arc::strong_count(figures) == 1);
            let oldest =
                unused.min_by_key(|(_, figures)| figures.counted().last).map(|(name, _)| name.clone());
            match oldest {
                Some(oldest) => drop(known.remove(&oldest)),
                None => return self.other.clone(),
            }
        }
        known.entry(name).or_insert_with(|| Arc::new(OriginFigures::new(Instant::now()))).clone()
    }

    /// All of them by their name, `other` at the end if a request was counted there.
    pub(crate) fn list(&self) -> Vec<(String, Arc<OriginFigures>)> {
        let known = self.known();
        let mut list: Vec<_> = known.iter().map(|(name, figures)| (name.clone(), figures.clone())).collect();
        drop(known);
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        let other =
            self.other.counted().total.requests() > 0 || self.other.waiting.load(Ordering::Relaxed) > 0;
        list.extend(other.then(|| (OTHER.to_owned(), self.other.clone())));
        list
    }
}
