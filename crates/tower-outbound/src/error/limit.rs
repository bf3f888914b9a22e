use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::record::Origin;

/// The requests in flight and waiting under the limit that kept a request from a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupancy {
    /// Whether the limit is that of the origin; otherwise it is the total.
    pub(crate) of_origin: bool,
    /// Requests in flight.
    pub(crate) held: usize,
    pub(crate) limit: usize,
    /// Requests waiting, without this one.
    pub(crate) waiting: usize,
}

/// The common part of both errors.
#[derive(Clone, Debug)]
struct NoSlot {
    origin: Origin,
    occupancy: Occupancy,
}

impl NoSlot {
    const fn key(&self) -> &'static str {
        if self.occupancy.of_origin { "max_in_flight_per_origin" } else { "max_in_flight" }
    }
}

impl fmt::Display for NoSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Occupancy { of_origin, held, limit, waiting } = self.occupancy;
        let target = if of_origin { "to it" } else { "to all origins" };
        write!(f, "{held} of {limit} requests {target} are in flight and {waiting} are waiting")
    }
}

macro_rules! no_slot_accessors {
    () => {
        /// Returns the origin of the request.
        #[must_use]
        pub const fn origin(&self) -> &Origin {
            &self.no_slot.origin
        }

        /// Returns the number of requests in flight under the reached limit.
        #[must_use]
        pub const fn held(&self) -> usize {
            self.no_slot.occupancy.held
        }

        /// Returns the reached limit: that of the origin, or the total.
        #[must_use]
        pub const fn limit(&self) -> usize {
            self.no_slot.occupancy.limit
        }

        /// Returns the number of other requests that waited under that limit.
        #[must_use]
        pub const fn waiting(&self) -> usize {
            self.no_slot.occupancy.waiting
        }

        /// Returns the name of the reached limit, `max_in_flight_per_origin` or `max_in_flight`: the method of
        /// [`OutboundBuilder`](crate::outbound::OutboundBuilder) that raises it.
        #[must_use]
        pub const fn key(&self) -> &'static str {
            self.no_slot.key()
        }
    };
}

/// No slot became free in time: [`Kind::PoolTimeout`](crate::Kind::PoolTimeout), in the phase
/// [`Queue`](crate::Phase::Queue).
///
/// The request was not sent, and no connection was opened for it.
#[derive(Clone, Debug)]
pub struct PoolTimeoutError {
    no_slot: NoSlot,
    waited: Duration,
}

impl PoolTimeoutError {
    pub(crate) const fn new(origin: Origin, occupancy: Occupancy, waited: Duration) -> Self {
        Self { no_slot: NoSlot { origin, occupancy }, waited }
    }

    no_slot_accessors!();

    /// Returns the duration of the wait, at least the `acquire_timeout`.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Display for PoolTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { no_slot, waited } = self;
        let (origin, key) = (&no_slot.origin, no_slot.key());
        write!(f, "no slot for {origin} within {waited:.3?}: {no_slot}; raise `{key}` or `acquire_timeout`")
    }
}

impl StdError for PoolTimeoutError {}

/// The queue for a slot was full: [`Kind::QueueFull`](crate::Kind::QueueFull), in the phase
/// [`Queue`](crate::Phase::Queue).
///
/// The request was not sent and has not waited.
#[derive(Clone, Debug)]
pub struct QueueFullError {
    no_slot: NoSlot,
}

impl QueueFullError {
    pub(crate) const fn new(origin: Origin, occupancy: Occupancy) -> Self {
        Self { no_slot: NoSlot { origin, occupancy } }
    }

    no_slot_accessors!();
}

impl fmt::Display for QueueFullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { no_slot } = self;
        let (origin, key) = (&no_slot.origin, no_slot.key());
        write!(f, "the queue for {origin} is full: {no_slot}; raise `{key}` or `max_queued`")
    }
}

impl StdError for QueueFullError {}
