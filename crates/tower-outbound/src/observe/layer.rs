use std::sync::Arc;

use http::Uri;
use tower_layer::Layer;

use super::Observe;
use crate::record::{Origin, Registry};
use crate::settings::Timeouts;

/// Starts an [`Attempt`](crate::Attempt) for each request, makes it current in each poll, and ends it with the response's
/// body.
///
/// A POST, PUT or PATCH without a body is sent with `content-length: 0` (RFC 9110, section 8.6).
///
/// # Differences from `tower_http::trace::Trace`
/// An attempt also ends if hyper does not poll the body to its end, if the caller drops the future or the body, and if the
/// inner service panics. It has the connection that served it.
///
/// # When an attempt starts
/// When the service is called, since a client may send at once (hyper's sender, a `tower::buffer`): of several futures
/// that are made at once and awaited in turn, each counts from its making. Below a retry layer, also with retries off, an
/// attempt starts at the first poll instead, as it does with `tower::ServiceExt::oneshot`.
///
/// # User info
/// User and password in the request's URI become `Authorization: Basic` (RFC 7617), unless the request has that header or its
/// method is `CONNECT`. The client below gets the URI without them: it sends them in no `:authority` (RFC 9113, section 8.3.1
/// forbids that), logs them nowhere, and all users share one pool.
///
/// [`Outbound::layer`](crate::Outbound::layer) includes this layer.
///
/// # Example
/// ```
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
///
/// let outbound = Outbound::new();
/// // The requests of tonic's channel have no host.
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
    /// Emits events to the observers of the registry.
    pub(crate) const fn new(registry: Registry) -> Self {
        Self { registry, origin: None, timeouts: None }
    }

    /// The origin of requests whose URI has no host (tonic's channel, hyper's `SendRequest`).
    #[must_use]
    pub fn origin(mut self, uri: &Uri) -> Self {
        self.origin = Some(self.registry.origin(uri));
        self
    }

    /// The timeouts of each attempt. Default: those of the [`Outbound`](crate::Outbound). A request overrides them with
    /// [`Timeouts`] in its extensions.
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
        Observe { inner, registry, origin, timeouts: timeouts.map(Arc::new) }
    }
}
