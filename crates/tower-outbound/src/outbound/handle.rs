use std::time::Duration;

use http::Uri;
use tower_layer::Layer;

use super::{AttemptLayer, FixedOutboundLayer, OutboundBuilder, OutboundLayer};
use crate::connect::{PhaseLayer, TcpConnector, Track, TrackLayer};
use crate::fixed_body::{Collect, FixedBodyLayer, Map};
use crate::limit::InFlightLimitLayer;
use crate::observe::ObserveLayer;
use crate::operation::OperationBuilder;
use crate::record::{Connection, Registry, Reset};
use crate::retry::RetryLayer;

/// The handle of a stack: it creates the layers and holds the state that they share.
///
/// Keep one `Outbound` for the lifetime of the application. Clones refer to the same stack.
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
    #[cfg(feature = "settings")]
    pub(super) live: std::sync::Arc<super::live::Live>,
}

impl Outbound {
    /// A stack without observers and with the default settings. Each response has its [`Timings`](crate::Timings).
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A builder, for observers and settings.
    pub fn builder() -> OutboundBuilder {
        OutboundBuilder::default()
    }

    /// The layers above a client: retry, observe, in-flight limit. All services of one `Outbound` share its limits and
    /// retry budgets.
    ///
    /// [`client`](Self::client), [`tonic`](Self::tonic) and [`reqwest`](Self::reqwest) include these layers. Turn off
    /// the retries of any other client below: hyper-util's with `retry_canceled_requests(false)`.
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

    /// As [`layer`](Self::layer), for a service that is already made: it takes one type of request body, `B`, and need not be
    /// `Clone`. The stack takes the same type.
    ///
    /// `convert` makes a `B` of the body below the layers, a [`StackBody<B>`](crate::StackBody): usually `B`'s constructor, which
    /// boxes. [`FixedBodyLayer`] says how clones share the service, and serves the other layers of this crate.
    ///
    /// # Example
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use http_body_util::combinators::UnsyncBoxBody;
    /// use tower::ServiceBuilder;
    /// use tower::util::BoxService;
    /// use tower_outbound::{BoxError, Outbound};
    ///
    /// // A service as a library gives it away: its body has one type, and it is not `Clone`.
    /// type Body = UnsyncBoxBody<Bytes, BoxError>;
    /// type Made = BoxService<Request<Body>, Response<Full<Bytes>>, BoxError>;
    ///
    /// fn layered(service: Made) -> impl tower::Service<Request<Body>> {
    ///     ServiceBuilder::new().layer(Outbound::new().layer_with_body(Body::new)).service(service)
    /// }
    /// ```
    #[must_use]
    pub fn layer_with_body<M>(&self, convert: M) -> FixedOutboundLayer<Map<M>> {
        FixedOutboundLayer::new(self.layer(), FixedBodyLayer::new(convert))
    }

    /// As [`layer_with_body`](Self::layer_with_body), for a body that is made of `Bytes` only, such as kube's: each request's
    /// body is read whole before the service is called.
    ///
    /// See [`FixedBodyLayer::collect`] for what that costs.
    ///
    /// # Example
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use tower::ServiceBuilder;
    /// use tower::util::BoxService;
    /// use tower_outbound::{BoxError, Outbound};
    ///
    /// type Made = BoxService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;
    ///
    /// // kube: `builder.with_layer(&outbound.layer_with_bytes(kube::client::Body::from))`.
    /// fn layered(service: Made) -> impl tower::Service<Request<Full<Bytes>>> {
    ///     ServiceBuilder::new().layer(Outbound::new().layer_with_bytes(Full::from)).service(service)
    /// }
    /// ```
    #[must_use]
    pub fn layer_with_bytes<M>(&self, convert: M) -> FixedOutboundLayer<Collect<M>> {
        FixedOutboundLayer::new(self.layer(), FixedBodyLayer::collect(convert))
    }

    /// The layers above a client without retry. Layers between [`retry_layer`](Self::retry_layer) and these run once for
    /// each attempt.
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
    ///     .layer(TimeoutLayer::new(std::time::Duration::from_secs(2))) // bounds each attempt
    ///     .layer(outbound.attempt_layer())
    ///     .service(client);
    /// # let _ = service;
    /// # }
    /// ```
    #[must_use]
    pub fn attempt_layer(&self) -> AttemptLayer {
        AttemptLayer::new(self.observe_layer(), self.in_flight.clone())
    }

    /// The retry layer alone.
    pub fn retry_layer(&self) -> RetryLayer {
        self.retry.clone()
    }

    /// The observe layer alone, for a client that is not `Clone`, such as hyper's sender of HTTP/1.
    #[must_use]
    pub fn observe_layer(&self) -> ObserveLayer {
        ObserveLayer::new(self.registry.clone())
    }

    /// The in-flight limit alone.
    #[must_use]
    pub fn in_flight_limit_layer(&self) -> InFlightLimitLayer {
        self.in_flight.clone()
    }

    /// Tracks the connections of a connector, with the options of this stack. Put it above TLS.
    ///
    /// A connector other than [`http_connector`](Self::http_connector) reports no phases of a connect, unless its parts
    /// are inside of a [`PhaseLayer`].
    pub fn connector<C>(&self, connector: C) -> Track<C> {
        self.track_layer().layer(connector)
    }

    /// The layer of [`connector`](Self::connector), for other options.
    #[must_use]
    pub fn track_layer(&self) -> TrackLayer {
        TrackLayer::new(self.registry.clone(), super::transport::transport)
    }

    /// Resolver and TCP, for below TLS. It reports each address that it tries.
    ///
    /// The timeout is that of [`connect_timeout`](OutboundBuilder::connect_timeout), and the options of sockets are those of the
    /// settings (`tcp.*`), except for what is set here. [`TcpConnector`] has options and takes other resolvers.
    #[must_use]
    pub fn http_connector(&self) -> TcpConnector {
        TcpConnector::new().follow(self.registry.clone())
    }

    /// Reports each connect of a connector that cannot be tracked, without its phases.
    #[must_use]
    pub fn connect_phase_layer(&self) -> PhaseLayer {
        PhaseLayer::connect(&self.registry)
    }

    /// Declares an operation: named steps of any protocol under one deadline. Its events go to the observers of this stack.
    ///
    /// # Example
    /// ```
    /// use std::time::Duration;
    /// use tower_outbound::{Deadline, Outbound};
    ///
    /// # async fn run() {
    /// let checkout = Outbound::new().operation("checkout").step("user").step("cart").step("order");
    /// let operation = checkout.start(Deadline::after(Duration::from_secs(2)));
    /// # drop(operation);
    /// # }
    /// ```
    pub fn operation(&self, name: &'static str) -> OperationBuilder {
        OperationBuilder::new(name, self.registry.observers().clone())
    }

    /// The open connections, in the order in which they were opened.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.registry.connections()
    }

    /// Takes every connection of every client out of use: idle ones close now, the others when what they do is finished. New
    /// requests get new connections within the limits, whose names are resolved anew. No request fails because of it, with one
    /// exception:
    ///
    /// A connection that finishes what it does keeps its place, since the limits hold. So where requests wait for a place or a
    /// slot at a limit, and nothing was received on any connection of the origin for 5 s (`pool.silent_after`; at the call, or
    /// later), the pools of this crate close the connections whose requests have no answer. These requests fail as
    /// [`ConnectionAborted`](crate::Kind::ConnectionAborted), with what was sent of them. On HTTP/1, a
    /// response that has begun is never cut.
    ///
    /// The pools of this crate do so at once. In a client with a pool of its own, HTTP/2 connections get a GOAWAY, and idle
    /// HTTP/1 connections close within 50 ms; a request that the pool hands to one of them meanwhile fails as not sent, and
    /// is retried. [`Reset::unreached`] counts the connections that stay in use.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::Outbound;
    ///
    /// let outbound = Outbound::new();
    /// let reset = outbound.reset();
    /// println!("{} connections closed, {} finish what they do", reset.closed, reset.draining);
    /// ```
    #[expect(clippy::must_use_candidate, reason = "what is done counts, not the report")]
    pub fn reset(&self) -> Reset {
        self.registry.reset(None)
    }

    /// [`reset`](Self::reset) for the origin of a URI. Nothing happens if the URI names no host.
    pub fn reset_origin(&self, uri: &Uri) -> Reset {
        self.registry.reset(Some(uri))
    }

    /// Takes every connection of every client out of use, as [`reset`](Self::reset), and waits until those that are busy have
    /// finished and are closed too, for as long as the limit. Returns those that are still open then.
    ///
    /// Send nothing more before. Call this when the server in front has answered its last request, and shut telemetry down
    /// afterwards.
    ///
    /// # Cancel safety
    /// Dropping the future stops the wait. The clients stay usable; their connections are not kept.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # async fn run(outbound: tower_outbound::Outbound) {
    /// for connection in outbound.shutdown(Duration::from_secs(10)).await {
    ///     println!("connection {} to {} is still open", connection.id(), connection.origin());
    /// }
    /// # }
    /// ```
    pub async fn shutdown(&self, limit: Duration) -> Vec<Connection> {
        self.registry.shutdown(limit).await
    }

    /// How long an idle connection is kept.
    ///
    /// Give this value to the pool of your own client (hyper-util: `pool_idle_timeout`): the pool closes the connections
    /// that no request has used.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.registry.settings().idle_timeout
    }

    /// How many connections an origin may have in the [pool](crate::pool) of this crate. `None`: as many as needed.
    ///
    /// With [`WhenFull::Overflow`](crate::pool::WhenFull), bursts open more.
    #[must_use]
    pub fn max_connections_per_origin(&self) -> Option<usize> {
        Some(self.registry.settings().of_pool().max_connections_per_origin).filter(|limit| *limit > 0)
    }

    #[cfg(any(feature = "client", feature = "reqwest", feature = "tonic-channel"))]
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}
