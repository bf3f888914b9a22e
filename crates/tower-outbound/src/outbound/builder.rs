use std::time::Duration;

use super::Outbound;
use crate::event::{Observer, ObserversBuilder};
use crate::limit::InFlightLimitLayer;
use crate::record::Registry;
use crate::retry::RetryLayer;
use crate::settings::{Settings, Timeouts};

/// Options of an [`Outbound`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct OutboundBuilder {
    observers: ObserversBuilder,
    settings: Settings,
    retry: RetryLayer,
}

impl OutboundBuilder {
    /// Adds an observer; several add up.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(observer);
        self
    }

    /// How long an idle connection is kept: 30 s unless set.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.settings.idle_timeout = idle_timeout;
        self
    }

    /// The timeouts of each attempt: all off unless set. A request's own are in its extensions.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// How long a connect may take, dns, tcp and tls together: 10 s unless set; zero is off. See
    /// [`TrackLayer::connect_timeout`](crate::connect::TrackLayer::connect_timeout).
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.settings.connect.connect = connect_timeout;
        self
    }

    /// How long the TLS handshake alone may take: off unless set; zero is off. See
    /// [`TrackLayer::tls_timeout`](crate::connect::TrackLayer::tls_timeout).
    pub fn tls_timeout(mut self, tls_timeout: Duration) -> Self {
        self.settings.connect.tls = tls_timeout;
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
    /// let never = Outbound::builder().retry(|retry| retry.max_retries(0)).build();
    /// # let _ = (patient, never);
    /// ```
    pub fn retry(mut self, options: impl FnOnce(RetryLayer) -> RetryLayer) -> Self {
        self.retry = options(self.retry);
        self
    }

    /// After how many attempts in a row that run into a timeout, while nothing at all is read on their HTTP/2
    /// connection, that connection is retired: 2 unless set; 0 is off. See
    /// [`TrackLayer::retire_silent_after`](crate::connect::TrackLayer::retire_silent_after).
    ///
    /// # Example
    /// ```
    /// use std::time::Duration;
    /// use tower_outbound::Outbound;
    /// use tower_outbound::timeouts::Timeouts;
    ///
    /// // Without a timeout no connection is ever found silent.
    /// let limits = Timeouts::new().first_byte(Duration::from_secs(5));
    /// let outbound = Outbound::builder().timeouts(limits).retire_silent_after(3).build();
    /// # let _ = outbound;
    /// ```
    pub fn retire_silent_after(mut self, attempts: u32) -> Self {
        self.settings.connect.silent_attempts = attempts;
        self
    }

    /// How many requests to one origin may be in flight, each to the end of its response's body: no limit unless
    /// set; zero is no limit. The others wait: see [`InFlightLimitLayer`].
    pub fn max_in_flight_per_origin(mut self, max_in_flight: usize) -> Self {
        self.settings.in_flight.max_in_flight_per_origin = max_in_flight;
        self
    }

    /// How many requests to all origins together may be in flight: no limit unless set; zero is no limit. The origins
    /// that wait get their slots in turns.
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.settings.in_flight.max_in_flight = max_in_flight;
        self
    }

    /// How many requests to one origin may wait for a slot: 1,024 unless set; with zero none does. One more fails at
    /// once with a [`QueueFullError`](crate::limit::QueueFullError).
    pub fn max_queued(mut self, max_queued: usize) -> Self {
        self.settings.in_flight.max_queued = max_queued;
        self
    }

    /// How long a request may wait for a slot: 30 s unless set; zero is no limit. It fails then with a
    /// [`PoolTimeoutError`](crate::limit::PoolTimeoutError).
    pub fn acquire_timeout(mut self, acquire_timeout: Duration) -> Self {
        self.settings.in_flight.acquire_timeout = acquire_timeout;
        self
    }

    /// The stack.
    #[must_use]
    pub fn build(self) -> Outbound {
        let Self { observers, mut settings, retry } = self;
        settings.retry = retry.settings();
        let registry = Registry::new(observers.build(), settings);
        Outbound {
            retry: retry.attach(registry.clone()),
            in_flight: InFlightLimitLayer::new(registry.clone()),
            registry,
        }
    }
}

impl Default for OutboundBuilder {
    fn default() -> Self {
        // The stack's own registry comes when it is built.
        let detached = Registry::new(ObserversBuilder::default().build(), Settings::default());
        Self {
            observers: ObserversBuilder::default(),
            settings: Settings::default(),
            retry: RetryLayer::new(detached),
        }
    }
}
