//! Counts delivered and lost items.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use super::outcome::Outcome;
use crate::{Loss, Report, Tally};

/// Shared by both exporters.
#[derive(Debug, Default)]
pub(crate) struct ExportStats {
    pub(super) spans: Account,
    pub(super) metric_exports: Account,
    pub(super) data_points: Account,
    /// The data points of the export that runs; 0 without one.
    exporting: AtomicU64,
}

/// The counts of one kind of item.
#[derive(Debug, Default)]
pub(super) struct Account {
    delivered: AtomicU64,
    lost: [AtomicU64; Loss::ALL.len()],
}

impl Account {
    pub(super) fn lose(&self, reason: Loss, count: u64) {
        self.lost[reason as usize].fetch_add(count, Relaxed);
    }

    /// Counts an export of `count` items. Returns the reason if some are lost.
    pub(super) fn settle(&self, count: u64, outcome: Outcome) -> Option<Loss> {
        let (lost, reason) = match outcome {
            Ok(rejected) => (rejected.min(count), Loss::Rejected),
            Err(reason) => (count, reason),
        };
        self.delivered.fetch_add(count - lost, Relaxed);
        self.lose(reason, lost);
        (lost > 0).then_some(reason)
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

    /// So many spans were printed, or could not be.
    #[cfg(feature = "console")]
    pub(crate) fn printed_spans(&self, count: u64, printed: bool) {
        self.spans.settle(count, if printed { Ok(0) } else { Err(Loss::Failed) });
    }

    /// The metrics were printed, or could not be.
    #[cfg(feature = "console")]
    pub(crate) fn printed_metrics(&self, printed: bool) {
        self.metric_exports.settle(1, if printed { Ok(0) } else { Err(Loss::Failed) });
    }

    /// An export of metrics begins.
    pub(super) fn begin_metrics(&self, points: u64) {
        self.exporting.store(points, SeqCst);
    }

    /// Counts the export that runs, once. Returns the reason if some points are lost.
    pub(super) fn end_metrics(&self, outcome: Outcome) -> Option<Loss> {
        let points = self.exporting.swap(0, SeqCst);
        if points == 0 {
            return None;
        }
        let lost = self.data_points.settle(points, outcome);
        self.metric_exports.settle(1, lost.map_or(Ok(0), Err));
        lost
    }

    /// Counts an export of metrics whose exporter has not returned in time.
    pub(crate) fn give_up_metrics(&self) {
        self.end_metrics(Err(Loss::TimedOut));
    }
}
