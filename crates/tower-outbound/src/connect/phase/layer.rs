use tower_layer::Layer;

use super::PhaseTimer;
use crate::failure::Phase;
use crate::record::Registry;

/// Times one phase of a connect: name resolution, TCP, the tunnel or TLS.
///
/// Wraps any `Service<Dst>` and does not change the response: a resolver, a connector, or reqwest's `connector_layer`.
/// Reports to the [`Setup`](crate::connect::Setup) of the [`TrackLayer`](crate::connect::TrackLayer) above, also if the
/// client has spawned the connect.
///
/// A phase begins when the phase inside it ends: a TCP connector that resolves first is charged only for TCP, a TLS
/// connector only for TLS.
///
/// # Example
/// ```
/// use hyper_util::client::legacy::connect::HttpConnector;
/// use hyper_util::client::legacy::connect::dns::GaiResolver;
/// use tower_layer::Layer;
/// use tower_outbound::connect::PhaseLayer;
///
/// let resolver = PhaseLayer::dns().layer(GaiResolver::new());
/// let connector = PhaseLayer::tcp().layer(HttpConnector::new_with_resolver(resolver));
/// # let _ = connector;
/// ```
#[derive(Clone, Debug)]
pub struct PhaseLayer {
    pub(super) timed: Timed,
}

#[derive(Clone, Debug)]
pub(super) enum Timed {
    /// One phase of the current setup.
    Phase(Phase),
    /// A whole connect. Opens a setup, for the current attempt.
    Connect(Registry),
}

impl PhaseLayer {
    /// For a resolver.
    #[must_use]
    pub const fn dns() -> Self {
        Self { timed: Timed::Phase(Phase::Dns) }
    }

    /// For a TCP connector, with or without a resolver inside.
    #[must_use]
    pub const fn tcp() -> Self {
        Self { timed: Timed::Phase(Phase::Tcp) }
    }

    /// For a connector that opens a tunnel through a proxy (`CONNECT`), with a TCP connector inside. Not for
    /// [`TunnelConnector`](crate::connect::TunnelConnector), which times the phase itself.
    #[must_use]
    pub const fn tunnel() -> Self {
        Self { timed: Timed::Phase(Phase::Tunnel) }
    }

    /// For a TLS connector, with or without a TCP connector inside.
    ///
    /// Not needed below a [`TrackLayer`](crate::connect::TrackLayer), which times TLS itself if the TCP phase is known.
    #[must_use]
    pub const fn tls() -> Self {
        Self { timed: Timed::Phase(Phase::Tls) }
    }

    /// For a whole connector whose IO cannot be wrapped: the connect is reported, its connection is not tracked.
    ///
    /// A connect outside of an attempt is not reported, since its origin is unknown.
    #[must_use]
    pub(crate) fn connect(registry: &Registry) -> Self {
        Self { timed: Timed::Connect(registry.clone()) }
    }
}

impl<S> Layer<S> for PhaseLayer {
    type Service = PhaseTimer<S>;

    fn layer(&self, inner: S) -> PhaseTimer<S> {
        PhaseTimer { inner, timed: self.timed.clone() }
    }
}
