//! What became of the telemetry, by count.

use std::fmt;

/// Why spans or a metric export were lost: the receiver did not acknowledge them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// The queue of spans was full (`OTEL_BSP_MAX_QUEUE_SIZE`).
    QueueFull,
    /// No connection to the receiver was had.
    Refused,
    /// The receiver did not answer in time, or the limit of the shutdown had passed.
    TimedOut,
    /// The receiver answered that it does not take them, for now (429, 503) or at all.
    Rejected,
    /// The connection broke, or what came back was no answer.
    Broken,
    /// Spans that ended while the shutdown sent those before them. What ends later is not recorded at all.
    ShutDown,
}

impl Loss {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::QueueFull, Self::Refused, Self::TimedOut, Self::Rejected, Self::Broken, Self::ShutDown];

    /// The value of `error.type` on the metrics of the pipeline itself.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
            Self::Broken => "broken",
            Self::ShutDown => "shut_down",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many were delivered, and how many lost for which reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub(crate) delivered: u64,
    pub(crate) lost: [u64; Loss::ALL.len()],
}

impl Tally {
    /// What the receiver has acknowledged.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// What it has not, for whatever reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.iter().sum()
    }

    /// What was lost for this reason.
    #[must_use]
    pub fn lost_by(&self, reason: Loss) -> u64 {
        self.lost[reason as usize]
    }

    /// Each reason for which something was lost, and how many.
    pub fn losses(&self) -> impl Iterator<Item = (Loss, u64)> {
        let lost = self.lost;
        Loss::ALL.into_iter().map(move |reason| (reason, lost[reason as usize])).filter(|(_, n)| *n > 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} delivered, {} lost", self.delivered, self.lost())?;
        for (at, (reason, count)) in self.losses().enumerate() {
            write!(f, "{}{reason} {count}", if at == 0 { " (" } else { ", " })?;
        }
        if self.lost() > 0 { f.write_str(")") } else { Ok(()) }
    }
}

/// What became of everything that was recorded, from the start of the pipeline.
///
/// Exact after a shutdown; before it, what still waits is in neither count. *Lost* means not acknowledged: a
/// receiver that took a request whole and broke before its answer has what is counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "it says whether telemetry was lost"]
pub struct Report {
    pub(crate) spans: Tally,
    pub(crate) metric_exports: Tally,
}

impl Report {
    /// Of spans that were sampled.
    #[must_use]
    pub fn spans(&self) -> &Tally {
        &self.spans
    }

    /// Of exports of metrics; one that the receiver took in part only is lost (`rejected`). Cumulative
    /// metrics come whole with the next export that arrives.
    #[must_use]
    pub fn metric_exports(&self) -> &Tally {
        &self.metric_exports
    }

    /// Whether nothing was lost.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.spans.lost() == 0 && self.metric_exports.lost() == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spans: {}; metric exports: {}", self.spans, self.metric_exports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_display_lists_every_loss_reason() {
        let mut spans = Tally { delivered: 7, ..Tally::default() };
        spans.lost[Loss::QueueFull as usize] = 2;
        spans.lost[Loss::TimedOut as usize] = 1;
        let report = Report { spans, metric_exports: Tally { delivered: 1, ..Tally::default() } };
        let expected =
            "spans: 7 delivered, 3 lost (queue_full 2, timed_out 1); metric exports: 1 delivered, 0 lost";
        assert_eq!(report.to_string(), expected);
        assert!(!report.is_complete());
        assert_eq!(spans.lost_by(Loss::Refused), 0);
    }

    #[test]
    fn loss_reasons_have_distinct_indexes() {
        for (at, reason) in Loss::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{reason}");
        }
    }
}
