//! Counts delivered and lost items.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{Loss, Report, Tally};

/// Shared by both exporters.
#[derive(Debug, Default)]
pub(crate) struct ExportStats {
    pub(super) spans: Account,
    pub(super) metric_exports: Account,
    pub(super) data_points: Account,
}

/// The counts of one kind of item.
#[derive(Debug, Default)]
pub(super) struct Account {
    delivered: AtomicU64,
    lost: [AtomicU64; Loss::ALL.len()],
}

impl Account {
    pub(super) fn deliver(&self, count: u64) {
        self.delivered.fetch_add(count, Relaxed);
    }

    pub(super) fn lose(&self, reason: Loss, count: u64) {
        self.lost[reason as usize].fetch_add(count, Relaxed);
    }

    /// Counts an export of `count` items; `Ok` is the number of rejected ones.
    pub(super) fn settle(&self, count: u64, outcome: Result<u64, Loss>) {
        match outcome {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.deliver(count - rejected);
                self.lose(Loss::Rejected, rejected);
            }
            Err(reason) => self.lose(reason, count),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            delivered: self.delivered.load(Relaxed),
            lost: std::array::from_fn(|reason| self.lost[reason].load(Relaxed)),
        }
    }
}

impl ExportStats {
    pub(crate) fn report(&self) -> Report {
        Report { spans: self.spans.tally(), metric_exports: self.metric_exports.tally() }
    }
}
