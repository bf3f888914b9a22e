//! hyper-util's client with the options that the layers ask for.

use http_body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_layer::Layer;

use super::Outbound;
use crate::connect::Track;
use crate::foreign::DriveExecutor;

impl Outbound {
    /// hyper-util's client over a connector, which it tracks: do not call [`connector`](Self::connector) as well.
    ///
    /// [`layer`](Self::layer) goes around it. Options of the client: a timer for its pool, without which the pool closes idle
    /// connections only at the next checkout; the stack's [idle timeout](Self::idle_timeout); no retries of its own, which the
    /// retry layer does within a limit; on HTTP/2 a PING after 10 s without a frame while streams are open. For other options
    /// build the client yourself, as [`docs::clients`](crate::docs::clients) shows.
    ///
    /// # Example
    /// ```
    /// use tower::ServiceBuilder;
    /// use tower_outbound::connect::TcpConnector;
    /// use tower_outbound::{Outbound, Stack};
    ///
    /// let outbound = Outbound::new();
    /// let client = outbound.hyper_client(outbound.http_connector()); // with TLS: a connector around this one
    /// let service: Stack<TcpConnector, String> = ServiceBuilder::new().layer(outbound.layer()).service(client);
    /// # let _ = service;
    /// ```
    pub fn hyper_client<C, B>(&self, connector: C) -> Client<Track<C>, B>
    where
        Track<C>: Connect + Clone,
        B: Body + Send,
        B::Data: Send,
    {
        let keep_alive = self.registry.settings().pool.keep_alive;
        let executor = DriveExecutor::new(TokioExecutor::new());
        let connector = self.track_layer().executor(&executor).layer(connector);
        Client::builder(executor)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.idle_timeout())
            .http2_keep_alive_interval(keep_alive.interval())
            .http2_keep_alive_timeout(keep_alive.timeout)
            .retry_canceled_requests(false)
            .build(connector)
    }
}
