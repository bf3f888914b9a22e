use tower_layer::Layer;

use super::PhaseTimer;
use crate::failure::Phase;
use crate::record::Registry;

/// Times one stage of a connect: the resolver, TCP, the tunnel, TLS, or the whole.
///
/// It fits anything that is a `Service<Dst>` and leaves the response alone, so it goes onto a resolver, a
/// connector, and reqwest's `connector_layer`. It reports to the [`Setup`](crate::connect::Setup) that
/// [`TrackLayer`](crate::connect::TrackLayer) has opened above it, also where the client has spawned the connect.
///
/// A stage begins where the stage inside it ends: a TCP connector resolves first, a TLS connector connects
/// first, and neither is charged for that.
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
    pub(super) stage: Stage,
}

/// What is timed.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// One phase of the setup in whose scope it runs.
    Phase(Phase),
    /// A whole connect: opens a setup of its own, from the attempt in whose scope it runs.
    Connect(Registry),
}

impl PhaseLayer {
    /// For a resolver.
    #[must_use]
    pub const fn dns() -> Self {
        Self { stage: Stage::Phase(Phase::Dns) }
    }

    /// For a TCP connector, which may have a resolver inside.
    #[must_use]
    pub const fn tcp() -> Self {
        Self { stage: Stage::Phase(Phase::Tcp) }
    }

    /// For a connector that makes a tunnel through a proxy (`CONNECT`), with a TCP connector inside.
    #[must_use]
    pub const fn tunnel() -> Self {
        Self { stage: Stage::Phase(Phase::Tunnel) }
    }

    /// For a TLS connector, which may have a TCP connector inside.
    ///
    /// Not needed below [`TrackLayer`](crate::connect::TrackLayer), which times TLS itself where it can see TCP.
    #[must_use]
    pub const fn tls() -> Self {
        Self { stage: Stage::Phase(Phase::Tls) }
    }

    /// For a whole connector whose IO cannot be wrapped: the connect is an event, its connection stays unknown. For
    /// reqwest there is better: `ReqwestConnectorLayer` (feature `reqwest`).
    ///
    /// Only a connect that an attempt makes run is told: without one, nothing here knows where it goes.
    #[must_use]
    pub(crate) fn connect(registry: &Registry) -> Self {
        Self { stage: Stage::Connect(registry.clone()) }
    }
}

impl<S> Layer<S> for PhaseLayer {
    type Service = PhaseTimer<S>;

    fn layer(&self, inner: S) -> PhaseTimer<S> {
        PhaseTimer { inner, stage: self.stage.clone() }
    }
}
