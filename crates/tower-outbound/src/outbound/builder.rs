use std::time::Duration;

use super::Outbound;
use crate::connect::Registry;
use crate::event::{Observer, ObserversBuilder};
use crate::in_flight::{InFlightLimitLayer, InFlightOptions};
use crate::observe::TimeLimits;
use crate::retry::RetryLayer;
use crate::track::ConnectLimits;

/// Below the common 60 to 75 s of servers, so that this side closes first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of an [`Outbound`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct OutboundBuilder {
    observers: ObserversBuilder,
    idle_timeout: Duration,
    time_limits: TimeLimits,
    connect_limits: ConnectLimits,
    retry: RetryLayer,
    in_flight: InFlightOptions,
}

impl OutboundBuilder {
    /// Adds an observer; several add up.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(observer);
        self
    }

    /// How long an idle connection is kept: 30 s unless set.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// The time limits of each exchange: all off unless set. A request's own are in its extensions.
    pub fn time_limits(mut self, limits: TimeLimits) -> Self {
        self.time_limits = limits;
        self
    }

    /// How long a connect may take, dns, tcp and tls together: 10 s unless set; zero is off. See
    /// [`TrackLayer::connect_timeout`](crate::TrackLayer::connect_timeout).
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_limits.connect = connect_timeout;
        self
    }

    /// How long the TLS handshake alone may take: off unless set; zero is off. See
    /// [`TrackLayer::tls_timeout`](crate::TrackLayer::tls_timeout).
    pub fn tls_timeout(mut self, tls_timeout: Duration) -> Self {
        self.connect_limits.tls = tls_timeout;
        self
    }

    /// Options of the [retry layer](Outbound::retry_layer): what was certainly not processed is sent again, twice at
    /// most, unless set otherwise. The client of this crate has that layer inside; around another one it is to be put.
    ///
    /// # Example
    /// ```
    /// use http::StatusCode;
    /// use tower_outbound::Outbound;
    ///
    /// let patient = Outbound::builder().retry(|retry| retry.status([StatusCode::TOO_MANY_REQUESTS])).build();
    /// let never = Outbound::builder().retry(|retry| retry.resends(0)).build();
    /// # let _ = (patient, never);
    /// ```
    pub fn retry(mut self, options: impl FnOnce(RetryLayer) -> RetryLayer) -> Self {
        self.retry = options(self.retry);
        self
    }

    /// After how many exchanges in a row that run into a time limit, while nothing at all is read on their HTTP/2
    /// connection, that connection is retired: 2 unless set; 0 is off. See
    /// [`TrackLayer::retire_silent_after`](crate::TrackLayer::retire_silent_after).
    ///
    /// # Example
    /// ```
    /// use std::time::Duration;
    /// use tower_outbound::{Outbound, TimeLimits};
    ///
    /// // Without a time limit no connection is ever found silent.
    /// let limits = TimeLimits::new().first_byte(Duration::from_secs(5));
    /// let outbound = Outbound::builder().time_limits(limits).retire_silent_after(3).build();
    /// # let _ = outbound;
    /// ```
    pub fn retire_silent_after(mut self, exchanges: u32) -> Self {
        self.connect_limits.silent_exchanges = exchanges;
        self
    }

    /// How many requests to one origin may be in flight, each to the end of its response's body: no limit unless
    /// set; zero is no limit. The others wait: see [`InFlightLimitLayer`].
    pub fn max_in_flight_per_origin(mut self, max_in_flight: usize) -> Self {
        self.in_flight.per_origin = max_in_flight;
        self
    }

    /// How many requests to all origins together may be in flight: no limit unless set; zero is no limit. The origins
    /// that wait get their slots in turns.
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.in_flight.total = max_in_flight;
        self
    }

    /// How many requests to one origin may wait for a slot: 1,024 unless set; with zero none does. One more fails at
    /// once with a [`QueueFullError`](crate::QueueFullError).
    pub fn max_queued(mut self, max_queued: usize) -> Self {
        self.in_flight.max_waiting = max_queued;
        self
    }

    /// How long a request may wait for a slot: 30 s unless set; zero is no limit. It fails then with a
    /// [`PoolTimeoutError`](crate::PoolTimeoutError).
    pub fn acquire_timeout(mut self, acquire_timeout: Duration) -> Self {
        self.in_flight.acquire_timeout = acquire_timeout;
        self
    }

    /// The stack.
    #[must_use]
    pub fn build(self) -> Outbound {
        let registry = Registry::new(self.observers.build(), self.idle_timeout);
        Outbound {
            retry: self.retry.on(registry.clone()),
            in_flight: InFlightLimitLayer::new(registry.clone()).options(self.in_flight),
            registry,
            time_limits: self.time_limits,
            connect_limits: self.connect_limits,
        }
    }
}

impl Default for OutboundBuilder {
    fn default() -> Self {
        Self {
            observers: ObserversBuilder::default(),
            idle_timeout: IDLE_TIMEOUT,
            time_limits: TimeLimits::new(),
            connect_limits: ConnectLimits::new(),
            // The stack's own registry comes when it is built.
            retry: RetryLayer::new(Registry::new(ObserversBuilder::default().build(), IDLE_TIMEOUT)),
            in_flight: InFlightOptions::new(),
        }
    }
}
