//! The options of an observer.

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
}

impl Options {
    pub(crate) fn has(&self, label: MetricLabel) -> bool {
        self.labels.contains(&label)
    }
}
