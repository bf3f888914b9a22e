use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tower_layer::Layer;

use super::InFlight;
use super::permit::Limiter;
use super::turns::Turns;
use crate::connect::Registry;

/// Requests to one origin that may be in flight unless set: no limit.
const PER_ORIGIN: usize = 0;
/// Requests to all origins together that may be in flight unless set: no limit.
const TOTAL: usize = 0;
/// Requests to one origin that may wait unless set.
///
/// Source: `max_pending_requests` of Envoy's circuit breakers.
const MAX_WAITING: usize = 1024;
/// How long a request may wait unless set.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// At most so many requests in flight, per origin and in total; the others wait for a slot.
///
/// A slot is taken before the client is called and held to the end of the response's body, or to its drop: so what
/// is in flight is bounded, and not only what waits for a head. Slots are granted in the order of arrival within an
/// origin, and in turns over the origins that wait for the total; a request that waits holds nothing. The origin is
/// that of the [`Exchange`](crate::Exchange) where an observe layer is above, else that of the request's URI.
///
/// Services made by one layer, its clones and theirs share the limits. With both limits off it costs nothing.
/// [`OutboundBuilder::max_in_flight_per_origin`](crate::OutboundBuilder::max_in_flight_per_origin) puts it into its
/// place; by hand it goes below observe, around the client.
///
/// The time that a request waits is its phase [`Queue`](crate::Phase::Queue), which is zero where a slot was free.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower_layer::Layer;
/// use tower_outbound::{InFlightLimitLayer, Outbound};
///
/// let outbound = Outbound::new();
/// let layer = InFlightLimitLayer::new(outbound.registry().clone())
///     .per_origin(50)
///     .total(200)
///     .acquire_timeout(Duration::from_secs(2));
/// # let _ = layer.layer(());
/// ```
#[derive(Clone, Debug)]
pub struct InFlightLimitLayer {
    registry: Registry,
    options: Options,
    /// Made by the first service; `None` where nothing is limited.
    limiter: Arc<OnceLock<Option<Arc<Limiter>>>>,
}

/// Options of the layer, in numbers as users write them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) per_origin: usize,
    pub(crate) total: usize,
    pub(crate) max_waiting: usize,
    pub(crate) acquire_timeout: Duration,
}

impl Options {
    pub(crate) const fn new() -> Self {
        Self {
            per_origin: PER_ORIGIN,
            total: TOTAL,
            max_waiting: MAX_WAITING,
            acquire_timeout: ACQUIRE_TIMEOUT,
        }
    }
}

impl InFlightLimitLayer {
    /// No limit yet; tells this registry's observers.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry, options: Options::new(), limiter: Arc::default() }
    }

    pub(crate) fn options(self, options: Options) -> Self {
        // A layer with other options is another limit.
        Self { registry: self.registry, options, limiter: Arc::default() }
    }

    /// How many requests to one origin may be in flight: no limit unless set; zero is no limit. In messages it is
    /// called `max_in_flight_per_origin`.
    #[must_use]
    pub fn per_origin(self, per_origin: usize) -> Self {
        let options = Options { per_origin, ..self.options };
        self.options(options)
    }

    /// How many requests to all origins together may be in flight: no limit unless set; zero is no limit. In messages
    /// it is called `max_in_flight`.
    #[must_use]
    pub fn total(self, total: usize) -> Self {
        let options = Options { total, ..self.options };
        self.options(options)
    }

    /// How many requests to one origin may wait for a slot: 1,024 unless set; with zero none does. One more fails at
    /// once with a [`QueueFullError`](crate::QueueFullError). In messages it is called `max_queued`.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        let options = Options { max_waiting, ..self.options };
        self.options(options)
    }

    /// How long a request may wait for a slot: 30 s unless set; zero is no limit. It fails then with a
    /// [`PoolTimeoutError`](crate::PoolTimeoutError). It counts to the millisecond, and needs a runtime of tokio with
    /// its time enabled: on another it is off.
    #[must_use]
    pub fn acquire_timeout(self, acquire_timeout: Duration) -> Self {
        let options = Options { acquire_timeout, ..self.options };
        self.options(options)
    }

    fn limiter(&self) -> Option<Arc<Limiter>> {
        let Options { per_origin, total, max_waiting, acquire_timeout } = self.options;
        let make = || {
            (per_origin > 0 || total > 0).then(|| {
                let turns = Turns::new(per_origin, total, max_waiting);
                Arc::new(Limiter::new(self.registry.clone(), turns, acquire_timeout))
            })
        };
        self.limiter.get_or_init(make).clone()
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> InFlight<S> {
        InFlight { inner, limiter: self.limiter() }
    }
}
