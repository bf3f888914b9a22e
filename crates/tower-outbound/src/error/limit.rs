use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::failure::Phase;
use crate::record::Origin;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    /// Requests in flight: a request waits for a slot.
    Requests,
    /// Connections of a pool.
    Connections,
}

/// What is held and who waits under the limit that kept a request waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) limited: Limited,
    /// Whether the limit is that of the origin; otherwise it is the total.
    pub(crate) of_origin: bool,
    /// Requests in flight, or connections.
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
        match (self.occupancy.limited, self.occupancy.of_origin) {
            (Limited::Requests, true) => "max_in_flight_per_origin",
            (Limited::Requests, false) => "max_in_flight",
            (Limited::Connections, true) => "max_connections_per_origin",
            (Limited::Connections, false) => "max_connections",
        }
    }

    const fn phase(&self) -> Phase {
        match self.occupancy.limited {
            Limited::Requests => Phase::Queue,
            Limited::Connections => Phase::Acquire,
        }
    }
}

impl fmt::Display for NoSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Occupancy { limited, of_origin, held, limit, waiting } = self.occupancy;
        let target = if of_origin { "to it" } else { "to all origins" };
        match limited {
            Limited::Requests => {
                write!(f, "{held} of {limit} requests {target} are in flight and {waiting} are waiting")
            }
            Limited::Connections => {
                write!(
                    f,
                    "{held} of {limit} connections {target} are open and {waiting} requests are waiting"
                )
            }
        }
    }
}

macro_rules! no_slot_accessors {
    () => {
        /// Returns the origin of the request.
        #[must_use]
        pub const fn origin(&self) -> &Origin {
            &self.no_slot.origin
        }

        /// Returns the number of requests in flight, or of connections, under the reached limit.
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

        /// Returns the name of the reached limit: the method of [`OutboundBuilder`](crate::outbound::OutboundBuilder)
        /// (`max_in_flight_per_origin`, `max_in_flight`) or of [`PoolBuilder`](crate::pool::PoolBuilder)
        /// (`max_connections_per_origin`, `max_connections`) that raises it.
        #[must_use]
        pub const fn key(&self) -> &'static str {
            self.no_slot.key()
        }

        pub(crate) const fn phase(&self) -> Phase {
            self.no_slot.phase()
        }
    };
}

/// No slot, or no connection of a pool, became free in time: [`Kind::PoolTimeout`](crate::Kind::PoolTimeout), in the phase
/// [`Queue`](crate::Phase::Queue) or [`Acquire`](crate::Phase::Acquire).
///
/// The request was not sent.
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
        let wanted = match no_slot.occupancy.limited {
            Limited::Requests => "slot for",
            Limited::Connections => "connection to",
        };
        write!(f, "no {wanted} {origin} within {waited:.3?}: {no_slot}; raise `{key}` or `acquire_timeout`")
    }
}

impl StdError for PoolTimeoutError {}

/// The queue for a slot, or for a connection of a pool, was full: [`Kind::QueueFull`](crate::Kind::QueueFull), in the phase
/// [`Queue`](crate::Phase::Queue) or [`Acquire`](crate::Phase::Acquire).
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
        let queue = match no_slot.occupancy.limited {
            Limited::Requests => "max_queued",
            Limited::Connections => "max_waiting",
        };
        write!(f, "the queue for {origin} is full: {no_slot}; raise `{key}` or `{queue}`")
    }
}

impl StdError for QueueFullError {}
