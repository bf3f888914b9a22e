//! Counts of delivered and lost telemetry.

use std::fmt;

/// Why spans or a metric export were lost, that is, not acknowledged by the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// The queue of spans was full (`OTEL_BSP_MAX_QUEUE_SIZE`).
    QueueFull,
    /// No connection to the receiver could be made.
    Refused,
    /// The receiver did not respond in time, or the shutdown timeout passed.
    TimedOut,
    /// The receiver refused them, temporarily (429, 503) or permanently.
    Rejected,
    /// The connection broke, or the response was not valid.
    Broken,
    /// The exporter failed, and said no more: a [given one](crate::TelemetryBuilder::span_exporter), or OTLP's before
    /// it sent a request of more than 64 MiB.
    Failed,
    /// The spans ended during the shutdown. Spans that end later are not recorded.
    ShutDown,
}

impl Loss {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::Refused,
        Self::TimedOut,
        Self::Rejected,
        Self::Broken,
        Self::Failed,
        Self::ShutDown,
    ];

    /// The value of `error.type` on the `otel.sdk.*` metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
            Self::Broken => "broken",
            Self::Failed => "failed",
            Self::ShutDown => "shut_down",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of delivered items, and of lost ones by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub(crate) delivered: u64,
    pub(crate) lost: [u64; Loss::ALL.len()],
}

impl Tally {
    /// Items that the receiver acknowledged.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Lost items.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.iter().sum()
    }

    /// Items lost for this reason.
    #[must_use]
    pub fn lost_by(&self, reason: Loss) -> u64 {
        self.lost[reason as usize]
    }

    /// The reasons with losses, and their numbers.
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

/// Delivered and lost telemetry since the start of the pipeline.
///
/// Where the console is the only exporter, what it has printed is delivered. Beside OTLP it is not counted.
///
/// Exact after a shutdown; before, pending items are in neither number. *Lost* means not acknowledged: a receiver that fails
/// after it took a request may have items that are counted as lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a report may contain losses"]
pub struct Report {
    pub(crate) spans: Tally,
    pub(crate) metric_exports: Tally,
}

impl Report {
    /// Spans that were sampled or kept.
    #[must_use]
    pub fn spans(&self) -> &Tally {
        &self.spans
    }

    /// Exports of metrics. An export that the receiver took in part is lost (`rejected`). The next successful export of
    /// cumulative metrics makes up for lost ones.
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
