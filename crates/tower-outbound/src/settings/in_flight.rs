//! The limits of requests in flight.

use std::time::Duration;

/// Limit of requests in flight per origin: none. The right number depends on the server.
const PER_ORIGIN: usize = 0;

/// Limit of requests in flight in total: none.
const TOTAL: usize = 0;

/// Limit of queued requests per origin: `max_pending_requests` of Envoy's circuit breakers.
const MAX_QUEUED: usize = 1024;

/// Timeout of a request in the queue.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// The limits of requests in flight and in the queue.
///
/// Zero disables the limits of requests in flight and the timeout. A `max_queued` of zero means that no request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlightSettings {
    pub(crate) max_in_flight_per_origin: usize,
    pub(crate) max_in_flight: usize,
    /// Per origin.
    pub(crate) max_queued: usize,
    pub(crate) acquire_timeout: Duration,
}

impl InFlightSettings {
    pub(crate) const fn new() -> Self {
        Self {
            max_in_flight_per_origin: PER_ORIGIN,
            max_in_flight: TOTAL,
            max_queued: MAX_QUEUED,
            acquire_timeout: ACQUIRE_TIMEOUT,
        }
    }
}
