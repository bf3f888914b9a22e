use std::time::Duration;

use tower_layer::Layer;

use super::DeadlineService;

/// Puts a deadline on each request of any HTTP client, and cuts the request and its response's body when it has passed.
///
/// For clients without the layers of an [`Outbound`](crate::Outbound): those have
/// [`Timeouts::call`](crate::timeouts::Timeouts::call), and know the phase. Around such layers, this one only hands them the
/// deadline: they are faster to end a call.
///
/// # The deadline
/// The earliest of the layer's duration from now on, the request's own [`Deadline`](crate::Deadline) and that of the current
/// [scope](crate::Deadline::scope). It is in the request's extensions, and the service below is called in its scope.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower::ServiceBuilder;
/// use tower_outbound::deadline::DeadlineLayer;
///
/// let builder = ServiceBuilder::new().layer(DeadlineLayer::new(Duration::from_secs(2)));
/// # let _ = builder.service(());
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a layer does nothing unless put around a service"]
pub struct DeadlineLayer {
    after: Duration,
}

impl DeadlineLayer {
    /// Each request has this long, to the end of its response's body. Resolution: 1 ms. Zero sets no deadline; those of the
    /// request and the scope hold.
    pub const fn new(after: Duration) -> Self {
        Self { after }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> DeadlineService<S> {
        DeadlineService { inner, after: self.after }
    }
}
