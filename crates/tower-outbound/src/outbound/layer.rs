use http::Uri;
use tower_layer::Layer;

use crate::in_flight::{InFlight, InFlightLimitLayer};
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
    exchange: ExchangeLayer,
}

impl OutboundLayer {
    pub(super) const fn new(retry: RetryLayer, exchange: ExchangeLayer) -> Self {
        Self { retry, exchange }
    }

    /// Where requests go whose URI has no host: see [`ObserveLayer::origin`].
    #[must_use]
    pub fn origin(self, uri: &Uri) -> Self {
        Self { exchange: self.exchange.origin(uri), ..self }
    }
}

impl<S> Layer<S> for OutboundLayer {
    type Service = Retry<Observe<InFlight<S>>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.retry.layer(self.exchange.layer(inner))
    }
}

/// The part of the upper stack that each exchange goes through, from
/// [`Outbound::exchange_layer`](crate::Outbound::exchange_layer): observe, and below it the limits of requests in flight.
#[derive(Clone, Debug)]
pub struct ExchangeLayer {
    observe: ObserveLayer,
    in_flight: InFlightLimitLayer,
}

impl ExchangeLayer {
    pub(super) const fn new(observe: ObserveLayer, in_flight: InFlightLimitLayer) -> Self {
        Self { observe, in_flight }
    }

    /// Where requests go whose URI has no host: see [`ObserveLayer::origin`].
    #[must_use]
    pub fn origin(self, uri: &Uri) -> Self {
        Self { observe: self.observe.origin(uri), ..self }
    }
}

impl<S> Layer<S> for ExchangeLayer {
    type Service = Observe<InFlight<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.observe.layer(self.in_flight.layer(inner))
    }
}
