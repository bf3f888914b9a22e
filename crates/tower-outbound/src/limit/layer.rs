use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tower_layer::Layer;

use super::InFlightLimit;
use super::permit::Limiter;
use super::turns::Turns;
use crate::record::Registry;
use crate::settings::InFlightSettings;

/// At most so many requests in flight, per origin and in total; the others wait for a slot.
///
/// A slot is taken before the client is called and held to the end of the response's body, or to its drop: so what
/// is in flight is bounded, and not only what waits for a head. Slots are granted in the order of arrival within an
/// origin, and in turns over the origins that wait for the total; a request that waits holds nothing. The origin is
/// that of the [`Attempt`](crate::Attempt) where an observe layer is above, else that of the request's URI.
///
/// Services made by one layer, its clones and theirs share the limits. With both limits off it costs nothing.
/// [`OutboundBuilder::max_in_flight_per_origin`](crate::outbound::OutboundBuilder::max_in_flight_per_origin) puts it into its
/// place; by hand it goes below observe, around the client.
///
/// The time that a request waits is its phase [`Queue`](crate::Phase::Queue), which is zero where a slot was free.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
///
/// let outbound = Outbound::new();
/// let layer = outbound
///     .in_flight_limit_layer()
///     .max_in_flight_per_origin(50)
///     .max_in_flight(200)
///     .acquire_timeout(Duration::from_secs(2));
/// # let _ = layer.layer(());
/// ```
#[derive(Clone, Debug)]
pub struct InFlightLimitLayer {
    registry: Registry,
    /// The options of this layer; `None` follows those of its `Outbound`.
    own: Option<InFlightSettings>,
    /// Made by the first service; `None` where nothing is limited.
    limiter: Arc<OnceLock<Option<Arc<Limiter>>>>,
}

impl InFlightLimitLayer {
    /// Follows the options of the registry, and reports to it.
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, own: None, limiter: Arc::default() }
    }

    /// A layer with other options is another limit.
    fn set(self, change: impl FnOnce(&mut InFlightSettings)) -> Self {
        let mut own = self.settings();
        change(&mut own);
        Self { registry: self.registry, own: Some(own), limiter: Arc::default() }
    }

    fn settings(&self) -> InFlightSettings {
        self.own.unwrap_or_else(|| self.registry.settings().in_flight)
    }

    /// How many requests to one origin may be in flight: no limit unless set; zero is no limit.
    #[must_use]
    pub fn max_in_flight_per_origin(self, max_in_flight: usize) -> Self {
        self.set(|own| own.max_in_flight_per_origin = max_in_flight)
    }

    /// How many requests to all origins together may be in flight: no limit unless set; zero is no limit.
    #[must_use]
    pub fn max_in_flight(self, max_in_flight: usize) -> Self {
        self.set(|own| own.max_in_flight = max_in_flight)
    }

    /// How many requests to one origin may wait for a slot: 1,024 unless set; with zero none does. One more fails at
    /// once with a [`QueueFullError`](crate::limit::QueueFullError).
    #[must_use]
    pub fn max_queued(self, max_queued: usize) -> Self {
        self.set(|own| own.max_queued = max_queued)
    }

    /// How long a request may wait for a slot: 30 s unless set; zero is no limit. It fails then with a
    /// [`PoolTimeoutError`](crate::limit::PoolTimeoutError). It counts to the millisecond, and needs a runtime of tokio with
    /// its time enabled: on another it is off.
    #[must_use]
    pub fn acquire_timeout(self, acquire_timeout: Duration) -> Self {
        self.set(|own| own.acquire_timeout = acquire_timeout)
    }

    fn limiter(&self) -> Option<Arc<Limiter>> {
        let make = || {
            let InFlightSettings { max_in_flight_per_origin, max_in_flight, max_queued, acquire_timeout } =
                self.settings();
            (max_in_flight_per_origin > 0 || max_in_flight > 0).then(|| {
                let turns = Turns::new(max_in_flight_per_origin, max_in_flight, max_queued);
                Arc::new(Limiter::new(self.registry.clone(), turns, acquire_timeout))
            })
        };
        self.limiter.get_or_init(make).clone()
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlightLimit<S>;

    fn layer(&self, inner: S) -> InFlightLimit<S> {
        InFlightLimit { inner, limiter: self.limiter() }
    }
}
