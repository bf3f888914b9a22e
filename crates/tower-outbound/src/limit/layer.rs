use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::InFlightLimit;
use super::limiter::Limiter;
use crate::record::Registry;
use crate::settings::InFlightSettings;

/// Limits the requests in flight, per origin and in total. Further requests wait for a slot.
///
/// A slot is taken before the client is called. It is released when the response's body ends or is dropped, or when the
/// request fails. Slots are granted in the order of arrival within an origin; origins that wait for the total take
/// turns. A waiting request holds no slot and no connection. The origin is that of the [`Attempt`](crate::Attempt) if an
/// observe layer is above, otherwise that of the request's URI.
///
/// The layer, its clones and their services share the limits, which follow the settings of their
/// [`Outbound`](crate::Outbound). Each method below returns a layer with settings and slots of its own. Without limits, a
/// request takes no lock and allocates nothing. Part of [`Outbound::layer`](crate::Outbound::layer); in a stack of your
/// own, place it below observe and around the client.
///
/// A request with a free slot has a phase [`Queue`](crate::Phase::Queue) of zero; without limits it has none.
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
    limiter: Arc<Limiter>,
}

impl InFlightLimitLayer {
    /// Follows the settings of the registry.
    pub(crate) fn new(registry: Registry) -> Self {
        Self { limiter: Arc::new(Limiter::new(registry, None)) }
    }

    /// Grants the slots that other limits allow now.
    #[cfg(feature = "settings")]
    pub(crate) fn refresh(&self) {
        self.limiter.refresh();
    }

    /// Makes a layer with settings and slots of its own.
    fn with_settings(self, change: impl FnOnce(&mut InFlightSettings)) -> Self {
        let mut settings = self.limiter.settings();
        change(&mut settings);
        Self { limiter: Arc::new(Limiter::new(self.limiter.registry().clone(), Some(settings))) }
    }

    /// Limits the requests in flight to one origin. Default: no limit. Zero is no limit.
    #[must_use]
    pub fn max_in_flight_per_origin(self, max_in_flight: usize) -> Self {
        self.with_settings(|settings| settings.max_in_flight_per_origin = max_in_flight)
    }

    /// Limits the requests in flight to all origins together. Default: no limit. Zero is no limit.
    #[must_use]
    pub fn max_in_flight(self, max_in_flight: usize) -> Self {
        self.with_settings(|settings| settings.max_in_flight = max_in_flight)
    }

    /// Limits the requests to one origin that wait for a slot. Default: 1,024. With zero, no request waits.
    ///
    /// Further requests fail at once with a [`QueueFullError`](crate::limit::QueueFullError).
    #[must_use]
    pub fn max_queued(self, max_queued: usize) -> Self {
        self.with_settings(|settings| settings.max_queued = max_queued)
    }

    /// Limits the time that a request waits for a slot. Default: 30 s. Zero disables the timeout.
    ///
    /// The request then fails with a [`PoolTimeoutError`](crate::limit::PoolTimeoutError). Millisecond resolution; without
    /// a tokio runtime with time enabled, the timeout never fires.
    #[must_use]
    pub fn acquire_timeout(self, acquire_timeout: Duration) -> Self {
        self.with_settings(|settings| settings.acquire_timeout = acquire_timeout)
    }
}

#[cfg(test)]
impl InFlightLimitLayer {
    pub(super) fn limiter(&self) -> &Limiter {
        &self.limiter
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlightLimit<S>;

    fn layer(&self, inner: S) -> InFlightLimit<S> {
        InFlightLimit { inner, limiter: Arc::clone(&self.limiter) }
    }
}
