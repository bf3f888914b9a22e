use tower_layer::Layer;

use super::{DeadlineHeaders, IncomingDeadline};

/// Turns the time that a request's headers give into a [scope](crate::Deadline::scope) around the service: the calls that its
/// handler makes end in time, and hand on what is left then. For HTTP services (axum) and gRPC services (tonic) alike.
///
/// The deadline counts from the moment in which the request reaches the layer, so put the layer outermost: the time that the
/// request spends below it is then subtracted from what the handler's calls have. It is in the request's extensions too
/// (`Extension<Deadline>` in axum), for handlers with work of their own. The handler is not cut: it answers what it wants, such
/// as 504.
///
/// A header that is no time is ignored; one warning says so.
///
/// # Spawned tasks
/// A task that the handler spawns is in no scope: see [`Deadline::scope`](crate::Deadline::scope). The response's body is.
///
/// # Example
/// ```
/// use http::HeaderName;
/// use tower_outbound::deadline::{DeadlineHeaders, IncomingDeadlineLayer};
///
/// let headers = DeadlineHeaders::new().http(HeaderName::from_static("x-timeout-ms"));
/// let layer = IncomingDeadlineLayer::new(headers);
/// // axum: `Router::layer(layer)`; tonic: `Server::builder().layer(layer)`
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing unless put around a service"]
pub struct IncomingDeadlineLayer {
    headers: DeadlineHeaders,
}

impl IncomingDeadlineLayer {
    /// Reads these headers.
    pub const fn new(headers: DeadlineHeaders) -> Self {
        Self { headers }
    }
}

impl<S> Layer<S> for IncomingDeadlineLayer {
    type Service = IncomingDeadline<S>;

    fn layer(&self, inner: S) -> IncomingDeadline<S> {
        IncomingDeadline { inner, headers: self.headers.clone() }
    }
}
