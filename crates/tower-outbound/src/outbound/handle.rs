use super::{AttemptLayer, OutboundBuilder, OutboundLayer};
use tower_layer::Layer;

use crate::connect::{PhaseLayer, Track, TrackLayer};
use crate::limit::InFlightLimitLayer;
use crate::observe::ObserveLayer;
use crate::record::{Connection, Registry};
use crate::retry::RetryLayer;

/// The handle that an application keeps: it puts the layers together and owns what they share.
///
/// Clones are handles to one stack.
///
/// # Example
/// ```
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::{TokioExecutor, TokioTimer};
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
///
/// let outbound = Outbound::new();
/// let connector = outbound.connector(outbound.http_connector());
/// let client = Client::builder(TokioExecutor::new())
///     .pool_timer(TokioTimer::new())
///     .pool_idle_timeout(outbound.idle_timeout())
///     .retry_canceled_requests(false)
///     .build(connector);
/// let service = outbound.layer().layer(client);
/// # fn check<S: tower_service::Service<http::Request<String>>>(_: S) {}
/// # check(service);
/// ```
#[derive(Clone, Debug)]
pub struct Outbound {
    pub(super) registry: Registry,
    pub(super) retry: RetryLayer,
    pub(super) in_flight: InFlightLimitLayer,
}

impl Outbound {
    /// A stack without observers: timings on every response, nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts a stack with observers and options.
    pub fn builder() -> OutboundBuilder {
        OutboundBuilder::default()
    }

    /// Tracks a connector's connections; to be put above TLS.
    ///
    /// Around a connector whose inside it cannot reach it knows the whole connect only: the phases are
    /// absent, not zero.
    pub fn connector<C>(&self, connector: C) -> Track<C> {
        self.track_layer().layer(connector)
    }

    /// The layer of [`connector`](Self::connector), for options of its own.
    #[must_use]
    pub fn track_layer(&self) -> TrackLayer {
        TrackLayer::new(self.registry.clone(), super::tls_info::tls_info)
    }

    /// The upper stack, to be put around the client: retry, observe, requests in flight. All services that it is put
    /// around share its limits and budgets. The client of this crate, of tonic and of reqwest have it already.
    ///
    /// Let the client below not send again on its own: hyper-util's by `retry_canceled_requests(false)`.
    ///
    /// # Example
    /// ```
    /// use hyper_util::client::legacy::Client;
    /// use hyper_util::rt::{TokioExecutor, TokioTimer};
    /// use tower::ServiceBuilder;
    /// use tower_outbound::Outbound;
    ///
    /// let outbound = Outbound::new();
    /// let client = Client::builder(TokioExecutor::new())
    ///     .pool_timer(TokioTimer::new())
    ///     .retry_canceled_requests(false)
    ///     .build(outbound.connector(outbound.http_connector()));
    /// let service = ServiceBuilder::new().layer(outbound.layer()).service(client);
    /// # fn check<S: tower_service::Service<http::Request<String>>>(_: S) {}
    /// # check(service);
    /// ```
    #[must_use]
    pub fn layer(&self) -> OutboundLayer {
        OutboundLayer::new(self.retry_layer(), self.attempt_layer())
    }

    /// The upper stack without retries, for layers of your own between the two: what is above it is done once for a
    /// call, what is below it for each attempt.
    ///
    /// # Example
    /// ```
    /// use tower::ServiceBuilder;
    /// use tower::timeout::TimeoutLayer;
    /// use tower_outbound::Outbound;
    ///
    /// # fn stack<S: Clone>(client: S) {
    /// let outbound = Outbound::new();
    /// let service = ServiceBuilder::new()
    ///     .layer(outbound.retry_layer())
    ///     .layer(TimeoutLayer::new(std::time::Duration::from_secs(2))) // of each attempt
    ///     .layer(outbound.attempt_layer())
    ///     .service(client);
    /// # let _ = service;
    /// # }
    /// ```
    #[must_use]
    pub fn attempt_layer(&self) -> AttemptLayer {
        AttemptLayer::new(self.observe_layer(), self.in_flight.clone())
    }

    /// Observe alone: for a client that cannot be cloned, as hyper's sender of HTTP/1.
    #[must_use]
    pub fn observe_layer(&self) -> ObserveLayer {
        ObserveLayer::new(self.registry.clone())
    }

    /// The retry layer alone, for a stack that is put together by hand; [`layer`](Self::layer) has it.
    pub fn retry_layer(&self) -> RetryLayer {
        self.retry.clone()
    }

    /// The limits of requests in flight alone, for a stack that is put together by hand; [`layer`](Self::layer) has them.
    #[must_use]
    pub fn in_flight_limit_layer(&self) -> InFlightLimitLayer {
        self.in_flight.clone()
    }

    /// Times the whole of a connector, where the phases inside cannot be seen; each connect is a setup.
    #[must_use]
    pub fn connect_phase_layer(&self) -> PhaseLayer {
        PhaseLayer::connect(&self.registry)
    }

    /// The connections that are open now, in the order in which they were opened.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.registry.connections()
    }

    /// What the layers share.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How long an idle connection is kept: give it to a client of your own (`pool_idle_timeout`), so
    /// that the close reason `idle_timeout` is recognised.
    #[must_use]
    pub fn idle_timeout(&self) -> std::time::Duration {
        self.registry.settings().idle_timeout
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}
