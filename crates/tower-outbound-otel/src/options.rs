//! The options of an observer.

use std::sync::atomic::{AtomicU8, Ordering};

use tower_outbound::event::{Detail, MetricDetail, PhaseDetail};

use crate::keep::Keep;
use crate::methods::Methods;
use crate::opt_in::OptIn;
use crate::propagate::Propagate;
use crate::redact::Redact;
use crate::rpc::RpcMethods;

/// How the phases of an attempt and of a connect are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phases {
    /// As child spans.
    Spans,
    /// As events on the span.
    Events,
    /// Not at all.
    Off,
}

/// Which metrics are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metrics {
    /// All, including the convention's opt-in metrics.
    All,
    /// Only those marked `c` in the [crate documentation](crate#metrics).
    Core,
    /// None.
    Off,
}

/// An optional attribute of metrics. Each can multiply the number of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricLabel {
    /// `url.template` on the convention's request metrics.
    UrlTemplate,
    /// `url.scheme` on the convention's metrics; `outbound.*` metrics always have it.
    UrlScheme,
    /// `network.peer.address` on the convention's connection metrics.
    PeerAddress,
    /// `server.port` on `outbound.*` metrics; the convention's always have it.
    OutboundPort,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) methods: Methods,
    pub(crate) rpc_methods: RpcMethods,
    pub(crate) phases: Phases,
    pub(crate) metrics: Metrics,
    pub(crate) labels: Vec<MetricLabel>,
    pub(crate) opt_in: OptIn,
    pub(crate) body_sizes: bool,
    pub(crate) end_at_head: bool,
    pub(crate) propagate: Propagate,
    pub(crate) redact: Redact,
    pub(crate) keep: Option<Keep>,
    pub(crate) caps: Caps,
}

/// What the settings of the stack allow now.
#[derive(Debug, Default)]
pub(crate) struct Caps {
    phases: AtomicU8,
    metrics: AtomicU8,
}

impl Caps {
    pub(crate) fn set(&self, detail: &Detail) {
        let phases = match detail.phases {
            PhaseDetail::Off => 2,
            PhaseDetail::Events => 1,
            _ => 0,
        };
        let metrics = match detail.metrics {
            MetricDetail::Off => 2,
            MetricDetail::Core => 1,
            _ => 0,
        };
        self.phases.store(phases, Ordering::Relaxed);
        self.metrics.store(metrics, Ordering::Relaxed);
    }
}

impl Options {
    /// How phases are recorded now.
    pub(crate) fn phases_now(&self) -> Phases {
        match (self.caps.phases.load(Ordering::Relaxed), self.phases) {
            (0, phases) => phases,
            (1, Phases::Spans | Phases::Events) => Phases::Events,
            _ => Phases::Off,
        }
    }

    /// Which metrics are recorded now; `None` if it is what the observer was built with.
    pub(crate) fn capped_metrics(&self) -> Option<Metrics> {
        match (self.caps.metrics.load(Ordering::Relaxed), self.metrics) {
            (0, _) | (_, Metrics::Off) | (1, Metrics::Core) => None,
            (1, Metrics::All) => Some(Metrics::Core),
            _ => Some(Metrics::Off),
        }
    }

    pub(crate) fn has(&self, label: MetricLabel) -> bool {
        self.labels.contains(&label)
    }
}
