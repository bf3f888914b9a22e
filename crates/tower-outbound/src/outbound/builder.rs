use std::time::Duration;

use super::Outbound;
use crate::event::{Observer, ObserversBuilder};
use crate::limit::InFlightLimitLayer;
use crate::record::Registry;
use crate::retry::RetryLayer;
use crate::settings::{DeadlineHeaders, StackSettings, Timeouts};

/// Observers and settings of an [`Outbound`]; from [`Outbound::builder`].
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower_outbound::Outbound;
/// use tower_outbound::timeouts::Timeouts;
///
/// let outbound = Outbound::builder()
///     .connect_timeout(Duration::from_secs(2))
///     .timeouts(Timeouts::new().first_byte(Duration::from_secs(5)))
///     .max_in_flight_per_origin(50)
///     .build();
/// # let _ = outbound;
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct OutboundBuilder {
    observers: ObserversBuilder,
    settings: StackSettings,
    retry: RetryLayer,
    #[cfg(feature = "settings")]
    given: Option<crate::settings::Settings>,
}

impl OutboundBuilder {
    /// Settings from a file and the environment, with the options of the clients' pools. Default: none.
    ///
    /// What the other methods of this builder set is set by code, and wins over file and environment, also later in
    /// [`Outbound::apply`]. `build` logs every value with its source at level INFO.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::Outbound;
    /// use tower_outbound::settings::Sources;
    ///
    /// let outbound = Outbound::builder().settings(Sources::new().load()).build();
    /// println!("{}", outbound.settings());
    /// ```
    #[cfg(feature = "settings")]
    #[cfg_attr(docsrs, doc(cfg(feature = "settings")))]
    pub fn settings(mut self, settings: crate::settings::Settings) -> Self {
        self.given = Some(settings);
        self
    }

    /// Adds an observer. Observers are called in the order in which they are added.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(observer);
        self
    }

    /// How long an idle connection is kept. Default: 30 s. Zero: until the server's own timeout, if it sends one.
    ///
    /// See [`TrackLayer::idle_timeout`](crate::connect::TrackLayer::idle_timeout). A tonic channel keeps its connection.
    /// reqwest has an idle timeout of its own.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.settings.idle_timeout = idle_timeout;
        self.settings.by_code(&["pool.idle_timeout"]);
        self
    }

    /// The timeouts of each attempt. Default: 60 s of silence: see [`Timeouts`].
    ///
    /// [`RequestExt::timeouts`](crate::RequestExt::timeouts) overrides them for one request.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self.settings.by_code(&timeouts.keys());
        self
    }

    /// Writes what is left of the call's deadline into the headers of each attempt, for the peer. Default: off. A
    /// `grpc-timeout` that a gRPC request has is the deadline of its call, also without this option.
    ///
    /// A shorter time that the request has in the header stays.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::Outbound;
    /// use tower_outbound::deadline::DeadlineHeaders;
    ///
    /// // `grpc-timeout` for gRPC, and a header of milliseconds for the rest.
    /// let headers = DeadlineHeaders::new().http(http::HeaderName::from_static("x-timeout-ms"));
    /// let outbound = Outbound::builder().deadline_headers(headers).build();
    /// # let _ = outbound;
    /// ```
    pub fn deadline_headers(mut self, headers: DeadlineHeaders) -> Self {
        self.settings.deadline_headers = Some(headers);
        self
    }

    /// The timeout of a connect: DNS, TCP and TLS together. Default: 10 s. Zero disables the timeout.
    ///
    /// See [`TrackLayer::connect_timeout`](crate::connect::TrackLayer::connect_timeout).
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.settings.connect.connect = connect_timeout;
        self.settings.by_code(&["connect.timeout"]);
        self
    }

    /// The timeout of the TLS handshake alone. Default: none. Zero disables the timeout.
    ///
    /// See [`TrackLayer::tls_timeout`](crate::connect::TrackLayer::tls_timeout).
    pub fn tls_timeout(mut self, tls_timeout: Duration) -> Self {
        self.settings.connect.tls = tls_timeout;
        self.settings.by_code(&["connect.tls_timeout"]);
        self
    }

    /// Sets the options of the [retry layer](Outbound::retry_layer). Default: two retries at most, of requests that the
    /// server provably did not process.
    ///
    /// # Example
    /// ```
    /// use http::StatusCode;
    /// use tower_outbound::Outbound;
    ///
    /// let retries_429 = Outbound::builder().retry(|retry| retry.status([StatusCode::TOO_MANY_REQUESTS])).build();
    /// let no_retries = Outbound::builder().retry(|retry| retry.max_retries(0)).build();
    /// # let _ = (retries_429, no_retries);
    /// ```
    pub fn retry(mut self, options: impl FnOnce(RetryLayer) -> RetryLayer) -> Self {
        self.retry = options(self.retry);
        self
    }

    /// Retires an HTTP/2 connection after this number of consecutive attempts that end in a timeout while nothing is
    /// read from the connection. Default: 2. Zero disables it.
    ///
    /// See [`TrackLayer::retire_silent_after`](crate::connect::TrackLayer::retire_silent_after).
    ///
    /// # Example
    /// ```
    /// use std::time::Duration;
    /// use tower_outbound::Outbound;
    /// use tower_outbound::timeouts::Timeouts;
    ///
    /// // It needs a timeout: without one, no attempt on a silent connection ends.
    /// let timeouts = Timeouts::new().first_byte(Duration::from_secs(5));
    /// let outbound = Outbound::builder().timeouts(timeouts).retire_silent_after(3).build();
    /// # let _ = outbound;
    /// ```
    pub fn retire_silent_after(mut self, attempts: u32) -> Self {
        self.settings.connect.silent_attempts = attempts;
        self.settings.by_code(&["connect.retire_silent_after"]);
        self
    }

    /// Resets an origin after this number of requests in a row that have waited for a connection or a slot until the acquire
    /// timeout, while nothing was received on any of its connections. Default: zero, never.
    ///
    /// It is a [`reset_origin`](Outbound::reset_origin) at which requests that are not answered fail, since their connections
    /// close: the requests that wait get new ones. At most one in [`recover_interval`](Self::recover_interval). It is an event
    /// ([`Event::Recovered`](crate::Event::Recovered)), and a line in the log at level WARN. It needs the observe layer.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::Outbound;
    ///
    /// let outbound = Outbound::builder().recover_after(3).build();
    /// # let _ = outbound;
    /// ```
    pub fn recover_after(mut self, timeouts: u32) -> Self {
        self.settings.recovery.after = timeouts;
        self.settings.by_code(&["recovery.after"]);
        self
    }

    /// The shortest time between two automatic resets of an origin. Default: 30 s. Zero: none.
    pub fn recover_interval(mut self, interval: Duration) -> Self {
        self.settings.recovery.interval = interval;
        self.settings.by_code(&["recovery.interval"]);
        self
    }

    /// The number of requests to one origin that may be in flight, each until the end of its response's body. Default:
    /// no limit. Zero is no limit.
    ///
    /// More requests wait for a slot: see [`InFlightLimitLayer`].
    pub fn max_in_flight_per_origin(mut self, max_in_flight: usize) -> Self {
        self.settings.in_flight.max_in_flight_per_origin = max_in_flight;
        self.settings.by_code(&["in_flight.max_per_origin"]);
        self
    }

    /// The number of requests to all origins together that may be in flight. Default: no limit. Zero is no limit.
    ///
    /// Origins whose requests wait get slots in turns.
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.settings.in_flight.max_in_flight = max_in_flight;
        self.settings.by_code(&["in_flight.max"]);
        self
    }

    /// The number of requests to one origin that may wait for a slot. Default: 1,024. With zero, no request waits.
    ///
    /// Above the number, a request fails at once with a [`QueueFullError`](crate::limit::QueueFullError).
    pub fn max_queued(mut self, max_queued: usize) -> Self {
        self.settings.in_flight.max_queued = max_queued;
        self.settings.by_code(&["in_flight.max_queued"]);
        self
    }

    /// How long a request may wait for a slot. Default: 30 s. Zero disables the timeout.
    ///
    /// After that, the request fails with a [`PoolTimeoutError`](crate::limit::PoolTimeoutError).
    pub fn acquire_timeout(mut self, acquire_timeout: Duration) -> Self {
        self.settings.in_flight.acquire_timeout = acquire_timeout;
        self.settings.by_code(&["in_flight.acquire_timeout"]);
        self
    }

    /// Builds the stack.
    #[must_use]
    pub fn build(self) -> Outbound {
        let Self { observers, mut settings, retry, .. } = self;
        #[cfg(feature = "settings")]
        let given = self.given;
        settings.retry = retry.settings();
        #[cfg(feature = "settings")]
        let (live, settings) = super::live::Live::new(settings, given.as_ref());
        let registry = Registry::new(observers.build(), settings);
        Outbound {
            retry: retry.attach(registry.clone()),
            in_flight: InFlightLimitLayer::new(registry.clone()),
            registry,
            #[cfg(feature = "settings")]
            live,
        }
    }
}

impl Default for OutboundBuilder {
    fn default() -> Self {
        // `build` replaces this registry by the stack's own.
        let detached = Registry::new(ObserversBuilder::default().build(), StackSettings::default());
        Self {
            observers: ObserversBuilder::default(),
            settings: StackSettings::default(),
            retry: RetryLayer::new(detached),
            #[cfg(feature = "settings")]
            given: None,
        }
    }
}
