use tower_layer::Layer;

use super::Track;
use crate::connect::Registry;

/// Tracks the connections of a connector: see the [module](self).
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
