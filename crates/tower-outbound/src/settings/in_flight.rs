//! The limits of requests in flight.

use std::time::Duration;

/// Default limit per origin: none.
const PER_ORIGIN: usize = 0;
/// Default limit in total: none.
const TOTAL: usize = 0;
/// Default length of an origin's queue: `max_pending_requests` of Envoy's circuit breakers.
const MAX_QUEUED: usize = 1024;
/// Default of the time that a request may wait for a slot.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many requests may be in flight, and how many may wait; zero is no limit, but for the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlightSettings {
    pub(crate) max_in_flight_per_origin: usize,
    pub(crate) max_in_flight: usize,
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
