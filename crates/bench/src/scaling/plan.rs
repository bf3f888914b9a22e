//! One measurement.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(super) client: Client,
    pub(super) among: Among,
    pub(super) size: usize,
    /// Sent after what `among` asks for.
    pub(super) requests: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Client {
    /// hyper-util's client as its users build it.
    Bare,
    /// The same with the TLS connector that `OutboundClient` has, and its timer.
    BareTls,
    /// `OutboundClient` without an observer.
    None,
    /// With every default metric.
    Metrics,
    /// With every trace and phase, and metrics.
    Traces,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Among {
    /// The requests go to so many origins in turn, each with a connection of its own.
    Origins,
    /// So many idle connections to one origin.
    Pooled,
    /// So many tasks send, and one request is in flight at a time.
    Waiting,
    /// So many observers that do nothing.
    Observers,
    /// So many requests that are not answered.
    InFlight,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareTls => "bare_with_tls_connector",
            Self::None => "none",
            Self::Metrics => "metrics",
            Self::Traces => "traces_100_phases",
        }
    }
}

impl Among {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Origins => "origins",
            Self::Pooled => "pooled",
            Self::Waiting => "waiting",
            Self::Observers => "observers",
            Self::InFlight => "in_flight",
        }
    }
}
