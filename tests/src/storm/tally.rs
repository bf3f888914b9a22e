//! How the calls ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::plan::{Act, Call};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Answered,
    Failed(&'static str),
    Cancelled,
    /// The watchdog has dropped it.
    None,
}

/// The ends so far.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Ends>);

/// The calls by protocol and act, their ends, and the calls without one.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    pub(super) counts: BTreeMap<(bool, Act), Counts>,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) without: Vec<Call>,
}

/// The calls of one act.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) without: u64,
}

impl Counts {
    pub(super) fn calls(&self) -> u64 {
        self.answered + self.failed + self.cancelled + self.without
    }
}

impl Tally {
    pub(super) fn add(&self, call: Call, end: End) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = ends.counts.entry((call.http2, call.act)).or_default();
        match end {
            End::Answered => counts.answered += 1,
            End::Failed(_) => counts.failed += 1,
            End::Cancelled => counts.cancelled += 1,
            End::None => counts.without += 1,
        }
        match end {
            End::Failed(kind) => *ends.kinds.entry(kind).or_default() += 1,
            End::None => ends.without.push(call),
            End::Answered | End::Cancelled => {}
        }
    }

    pub(super) fn ends(&self) -> Ends {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
