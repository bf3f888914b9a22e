use http::Uri;
use tower_layer::Layer;

use super::Layered;
use crate::fixed_body::FixedBodyLayer;
use crate::limit::{InFlightLimit, InFlightLimitLayer};
use crate::observe::{Observe, ObserveLayer};
use crate::retry::RetryLayer;

/// The layers above a client, from [`Outbound::layer`](crate::Outbound::layer): retry, observe, in-flight limit.
///
/// The client must be `Clone`. [`RetryLayer`] lists what it asks of the request's body. Put an
/// [observe layer](crate::Outbound::observe_layer) alone around a client that is not `Clone`, such as hyper's sender of
/// HTTP/1.
#[derive(Clone, Debug)]
pub struct OutboundLayer {
    retry: RetryLayer,
    attempt: AttemptLayer,
}

impl OutboundLayer {
    pub(super) const fn new(retry: RetryLayer, attempt: AttemptLayer) -> Self {
        Self { retry, attempt }
    }

    /// The origin of requests whose URI has no host: see [`ObserveLayer::origin`].
    #[must_use]
    pub fn origin(self, uri: &Uri) -> Self {
        Self { attempt: self.attempt.origin(uri), ..self }
    }
}

impl<S> Layer<S> for OutboundLayer {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let attempt = self.attempt.layer(inner);
        // Outermost: every retry is an attempt with a record and a slot of its own. During the backoff the call holds
        // neither.
        self.retry.layer(attempt)
    }
}

/// The layers that each attempt passes, from [`Outbound::attempt_layer`](crate::Outbound::attempt_layer): observe and
/// in-flight limit.
#[derive(Clone, Debug)]
pub struct AttemptLayer {
    observe: ObserveLayer,
    in_flight: InFlightLimitLayer,
}

impl AttemptLayer {
    pub(super) const fn new(observe: ObserveLayer, in_flight: InFlightLimitLayer) -> Self {
        Self { observe, in_flight }
    }

    /// The origin of requests whose URI has no host: see [`ObserveLayer::origin`].
    #[must_use]
    pub fn origin(self, uri: &Uri) -> Self {
        Self { observe: self.observe.origin(uri), ..self }
    }
}

impl<S> Layer<S> for AttemptLayer {
    type Service = Observe<InFlightLimit<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        // Next to the client: a slot is held from the call of the client to the end of the response's body, so the limit
        // bounds what is in flight.
        let limited = self.in_flight.layer(inner);
        // Above the limit: the wait for a slot is a phase (`queue`) of the attempt. Below retry: the record proves what
        // was sent.
        self.observe.layer(limited)
    }
}

/// The layers of [`OutboundLayer`], for a service that is already made: from
/// [`Outbound::layer_with_body`](crate::Outbound::layer_with_body) or
/// [`Outbound::layer_with_bytes`](crate::Outbound::layer_with_bytes).
///
/// The service takes and returns the same types as before, except for the body of the response and the error. It need
/// not be `Clone`.
#[derive(Clone, Debug)]
pub struct FixedOutboundLayer<C> {
    above: OutboundLayer,
    body: FixedBodyLayer<C>,
}

impl<C> FixedOutboundLayer<C> {
    pub(super) const fn new(above: OutboundLayer, body: FixedBodyLayer<C>) -> Self {
        Self { above, body }
    }

    /// The origin of requests whose URI has no host: see [`ObserveLayer::origin`].
    #[must_use]
    pub fn origin(self, uri: &Uri) -> Self {
        Self { above: self.above.origin(uri), ..self }
    }
}

impl<S, C> Layer<S> for FixedOutboundLayer<C>
where
    FixedBodyLayer<C>: Layer<S>,
{
    type Service = Layered<<FixedBodyLayer<C> as Layer<S>>::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        self.above.layer(self.body.layer(inner))
    }
}
