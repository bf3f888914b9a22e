use tower_layer::Layer;

use super::Track;
use crate::connect::Registry;

/// Tracks the connections of a connector: sits above TLS, around the client's connector, and wraps the IO.
///
/// Unlike a timer around the connector, it knows which connection served which exchange: hyper-util races a
/// connect against the pool, so "a connect ran for this request" says nothing about reuse.
///
/// [`Outbound::connector`](crate::Outbound::connector) is this layer, applied.
#[derive(Clone, Debug)]
pub struct TrackLayer {
    registry: Registry,
}

impl TrackLayer {
    /// Tracks in this registry.
    #[must_use]
    pub const fn new(registry: Registry) -> Self {
        Self { registry }
    }
}

impl<S> Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Track<S> {
        Track { inner, registry: self.registry.clone() }
    }
}
