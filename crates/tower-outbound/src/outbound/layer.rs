use http::Uri;
use tower_layer::Layer;

use crate::limit::{InFlightLimit, InFlightLimitLayer};
use crate::observe::{Observe, ObserveLayer};
use crate::retry::{Retry, RetryLayer};

/// The upper stack in its order, from [`Outbound::layer`](crate::Outbound::layer): retry, observe, and below it the
/// limits of requests in flight.
///
/// Its client must be `Clone`; the request's body as [`RetryLayer`] asks. One that is not (a sender of HTTP/1 by hyper)
/// has an [observe layer](crate::Outbound::observe_layer) alone.
#[derive(Clone, Debug)]
pub struct OutboundLayer {
    retry: RetryLayer,
    attempt: AttemptLayer,
}

impl OutboundLayer {
    pub(super) const fn new(retry: RetryLayer, attempt: AttemptLayer) -> Self {
        Self { retry, attempt }
    }

    /// Where requests go whose URI has no host: see [`ObserveLayer::origin`].
    #[must_use]
    pub fn origin(self, uri: &Uri) -> Self {
        Self { attempt: self.attempt.origin(uri), ..self }
    }
}

impl<S> Layer<S> for OutboundLayer {
    type Service = Retry<Observe<InFlightLimit<S>>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.retry.layer(self.attempt.layer(inner))
    }
}

/// The part of the upper stack that each attempt goes through, from
/// [`Outbound::attempt_layer`](crate::Outbound::attempt_layer): observe, and below it the limits of requests in flight.
#[derive(Clone, Debug)]
pub struct AttemptLayer {
    observe: ObserveLayer,
    in_flight: InFlightLimitLayer,
}

impl AttemptLayer {
    pub(super) const fn new(observe: ObserveLayer, in_flight: InFlightLimitLayer) -> Self {
        Self { observe, in_flight }
    }

    /// Where requests go whose URI has no host: see [`ObserveLayer::origin`].
    #[must_use]
    pub fn origin(self, uri: &Uri) -> Self {
        Self { observe: self.observe.origin(uri), ..self }
    }
}

impl<S> Layer<S> for AttemptLayer {
    type Service = Observe<InFlightLimit<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.observe.layer(self.in_flight.layer(inner))
    }
}
