use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::record::Origin;

/// How full a limit is when a request gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupancy {
    /// Whether the limit of the origin is reached, or the total.
    pub(crate) own: bool,
    /// Requests in flight under that limit.
    pub(crate) held: usize,
    pub(crate) limit: usize,
    /// Requests that wait under that limit.
    pub(crate) waiting: usize,
}

/// The accessors of both errors for how full the limit was.
#[derive(Clone, Debug)]
struct Full {
    origin: Origin,
    crowd: Occupancy,
}

impl Full {
    const fn key(&self) -> &'static str {
        if self.crowd.own { "max_in_flight_per_origin" } else { "max_in_flight" }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Occupancy { own, held, limit, waiting } = self.crowd;
        let whom = if own { "to it" } else { "to all origins" };
        write!(f, "{held} of {limit} requests {whom} are in flight and {waiting} are waiting")
    }
}

macro_rules! facts {
    () => {
        /// The origin of the request.
        #[must_use]
        pub const fn origin(&self) -> &Origin {
            &self.full.origin
        }

        /// The number of requests in flight under the limit that was reached.
        #[must_use]
        pub const fn held(&self) -> usize {
            self.full.crowd.held
        }

        /// The limit that was reached: that of the origin, or the total.
        #[must_use]
        pub const fn limit(&self) -> usize {
            self.full.crowd.limit
        }

        /// The number of other requests that waited under that limit.
        #[must_use]
        pub const fn waiting(&self) -> usize {
            self.full.crowd.waiting
        }

        /// The setting to raise: `max_in_flight_per_origin` or `max_in_flight` of
        /// [`OutboundBuilder`](crate::outbound::OutboundBuilder).
        #[must_use]
        pub const fn key(&self) -> &'static str {
            self.full.key()
        }
    };
}

/// No slot became free in time: [`Kind::PoolTimeout`](crate::Kind::PoolTimeout), in the phase
/// [`Queue`](crate::Phase::Queue).
///
/// Nothing of the request was sent, and no connection was made for it.
#[derive(Clone, Debug)]
pub struct PoolTimeoutError {
    full: Full,
    waited: Duration,
}

impl PoolTimeoutError {
    pub(crate) const fn new(origin: Origin, crowd: Occupancy, waited: Duration) -> Self {
        Self { full: Full { origin, crowd }, waited }
    }

    facts!();

    /// How long the request waited: at least `acquire_timeout`.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Display for PoolTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { full, waited } = self;
        let (origin, key) = (&full.origin, full.key());
        write!(f, "no slot for {origin} within {waited:.3?}: {full}; raise `{key}` or `acquire_timeout`")
    }
}

impl StdError for PoolTimeoutError {}

/// The queue for a slot was full: [`Kind::QueueFull`](crate::Kind::QueueFull), in the phase
/// [`Queue`](crate::Phase::Queue).
///
/// Nothing of the request was sent, and it did not wait.
#[derive(Clone, Debug)]
pub struct QueueFullError {
    full: Full,
}

impl QueueFullError {
    pub(crate) const fn new(origin: Origin, crowd: Occupancy) -> Self {
        Self { full: Full { origin, crowd } }
    }

    facts!();
}

impl fmt::Display for QueueFullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { full } = self;
        let (origin, key) = (&full.origin, full.key());
        write!(f, "the queue for {origin} is full: {full}; raise `{key}` or `max_queued`")
    }
}

impl StdError for QueueFullError {}
