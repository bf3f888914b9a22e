use http::Uri;
use tower_layer::Layer;

use super::Observe;
use crate::record::{Origin, Registry};
use crate::settings::Timeouts;

/// Opens an [`Attempt`](crate::Attempt) for each request, enters its scope at every poll, and ends it with
/// the response's body.
///
/// Unlike tower-http's `Trace`, it ends an attempt also where hyper never polls the body to its end, where
/// the caller drops it, and where the inner service panics; and it knows the connection that served.
///
/// [`Outbound::layer`](crate::Outbound::layer) is the whole upper stack.
///
/// # Example
/// ```
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
///
/// let outbound = Outbound::new();
/// // tonic's channel sees paths only: say where they go.
/// let layer = outbound
///     .observe_layer()
///     .origin(&"http://inventory:50051".parse().unwrap());
/// # let _ = layer.layer(());
/// ```
#[derive(Clone, Debug)]
pub struct ObserveLayer {
    registry: Registry,
    origin: Option<Origin>,
    timeouts: Option<Timeouts>,
}

impl ObserveLayer {
    /// Reports to this registry's observers.
    pub(crate) const fn new(registry: Registry) -> Self {
        Self { registry, origin: None, timeouts: None }
    }

    /// Where requests go whose URI has no host (tonic's channel, hyper's `SendRequest`).
    #[must_use]
    pub fn origin(mut self, uri: &Uri) -> Self {
        self.origin = Some(self.registry.origin(uri));
        self
    }

    /// The timeouts of each attempt: all off unless set. A request's own are in its extensions.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = Some(timeouts);
        self
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        let Self { registry, origin, timeouts } = self.clone();
        Observe { inner, registry, origin, timeouts }
    }
}
