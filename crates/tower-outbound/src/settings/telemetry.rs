//! What observers get and record: switches for a service in trouble.

/// How the phases of attempts and connects are recorded, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PhaseDetail {
    /// Not at all.
    Off,
    /// As events on the span.
    Events,
    /// As spans.
    #[default]
    Spans,
}

/// Which metrics are recorded, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MetricDetail {
    /// None that counts or measures. What goes up and down, such as the number of open connections, stays right.
    Off,
    /// Those that an observer calls its core, and what goes up and down.
    Core,
    /// All.
    #[default]
    All,
}

/// How much an observer records, at most: its own options may be less. From the settings, which change while the service runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detail {
    /// The phases of attempts and connects (`telemetry.phases`).
    pub phases: PhaseDetail,
    /// The metrics (`telemetry.metrics`).
    pub metrics: MetricDetail,
}

/// What observers get, and how much they record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TelemetrySettings {
    /// Observers get what starts.
    pub(crate) observe: bool,
    pub(crate) detail: Detail,
}

impl TelemetrySettings {
    pub(crate) const fn new() -> Self {
        Self { observe: true, detail: Detail { phases: PhaseDetail::Spans, metrics: MetricDetail::All } }
    }
}
