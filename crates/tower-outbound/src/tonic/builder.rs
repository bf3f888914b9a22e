use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::hyper::rt::{Executor, Read, Write};
use http::Uri;
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::TokioExecutor;
use tonic::transport::{Channel, Endpoint};
use tower_layer::Layer;
use tower_service::Service;

use super::TonicChannel;
use super::body::Seat;
use super::connector::ChannelConnector;
use super::executor::{Opened, Spawner, Task};
use super::limit::told;
use crate::connect::{TcpConnector, Track};
use crate::error::{BoxError, Error};
use crate::failure::Failure;
use crate::outbound::Outbound;
use crate::retry::RetryLayer;

/// Options of a [`TonicChannel`]; from [`Outbound::tonic`](crate::Outbound::tonic).
///
/// What is set at the `Endpoint` holds, but for what cannot be read back:
/// - its executor: set it [here](Self::executor);
/// - its `local_address`: give `tcp_connector(outbound.http_connector().local_address(..))`;
/// - the path of a unix socket: give a [`connector`](Self::connector) that opens it. Without one the channel connects
///   over TCP to `http://tonic`, which is all that such an `Endpoint` tells.
#[must_use = "a builder does nothing until `connect_lazy` or `connect`"]
pub struct TonicBuilder<C = TcpConnector> {
    outbound: Outbound,
    endpoint: Endpoint,
    connector: C,
    /// tonic's own TLS runs above the connector, where the URI asks for TLS.
    tonics_tls: bool,
    executor: Arc<dyn Executor<Task> + Send + Sync>,
    retry: RetryLayer,
}

impl Outbound {
    /// tonic's channel with every layer in its place: retry, observe, requests in flight, and below it the tracked
    /// TCP connector.
    ///
    /// For an `https` URI there is TLS by tonic (`Endpoint::tls_config`), which runs above the connection's record:
    /// then bytes are counted as ciphertext, the handshake has no phase of its own, a GOAWAY is seen neither as reason of
    /// a close nor as proof that a request was not processed, and silent connections are not retired; tonic's
    /// `http2_keep_alive_interval` finds those. With [`TonicBuilder::tls_config`] (feature `client`), or TLS inside a
    /// [`TonicBuilder::connector`], all of that is known.
    ///
    /// The limit of a connect (the `Endpoint`'s, or else that of the stack) holds for tonic's handshake too: the failure
    /// is [`Kind::TlsTimeout`](crate::Kind::TlsTimeout). Where the URI is `https` and neither does TLS, each call fails
    /// with [`Kind::SecureConnection`](crate::Kind::SecureConnection), and nothing is sent.
    ///
    /// # Example
    /// ```
    /// use tonic::transport::Endpoint;
    /// use tower_outbound::Outbound;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // With retries of what a peer answers with UNAVAILABLE, in trailers only.
    /// let outbound = Outbound::builder().retry(|retry| retry.grpc()).build();
    /// let channel = outbound.tonic(Endpoint::from_static("http://inventory:50051")).connect_lazy();
    /// // `InventoryClient::new(channel)`, and so each generated client.
    /// let client = tonic::client::Grpc::new(channel);
    /// # let _ = client;
    /// # }
    /// ```
    pub fn tonic(&self, endpoint: impl Into<Endpoint>) -> TonicBuilder {
        let endpoint = endpoint.into();
        let mut tcp = self.http_connector().nodelay(endpoint.get_tcp_nodelay());
        if let Some(time) = endpoint.get_tcp_keepalive() {
            tcp = tcp.keepalive(time);
        }
        if let Some(interval) = endpoint.get_tcp_keepalive_interval() {
            tcp = tcp.keepalive_interval(interval);
        }
        if let Some(retries) = endpoint.get_tcp_keepalive_retries() {
            tcp = tcp.keepalive_retries(retries);
        }
        if let Some(timeout) = endpoint.get_connect_timeout() {
            tcp = tcp.connect_timeout(timeout);
        }
        TonicBuilder {
            retry: self.retry_layer(),
            outbound: self.clone(),
            endpoint,
            connector: tcp,
            tonics_tls: true,
            executor: Arc::new(TokioExecutor::new()),
        }
    }
}

impl TonicBuilder {
    /// The connector below TLS, with a resolver or options of your own; those of the `Endpoint` for TCP do not count then.
    pub fn tcp_connector(mut self, tcp: TcpConnector) -> Self {
        self.connector = tcp;
        self
    }

    /// TLS below the connection's record, in place of tonic's own; the URI is `https`. The configuration's ALPN list is
    /// replaced by `h2`.
    ///
    /// # Example
    /// ```
    /// use tonic::transport::Endpoint;
    /// use tower_outbound::Outbound;
    /// use tower_outbound::client::rustls;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    /// let config = rustls::ClientConfig::builder_with_provider(provider)
    ///     .with_safe_default_protocol_versions()
    ///     .unwrap()
    ///     .with_root_certificates(rustls::RootCertStore::empty())
    ///     .with_no_client_auth();
    /// let endpoint = Endpoint::from_static("https://inventory.example");
    /// let channel = Outbound::new().tonic(endpoint).tls_config(config).connect_lazy();
    /// # let _ = channel;
    /// # }
    /// ```
    #[cfg(feature = "client")]
    pub fn tls_config(
        self,
        mut config: rustls::ClientConfig,
    ) -> TonicBuilder<hyper_rustls::HttpsConnector<TcpConnector>> {
        // hyper-rustls sets the list itself and panics on one that is set.
        config.alpn_protocols.clear();
        let https =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http2();
        let connector = https.wrap_connector(self.connector.clone());
        self.connector(connector)
    }
}

impl<C> TonicBuilder<C> {
    /// A connector of your own, with TLS inside where the URI is `https`: tonic's own TLS and the `Endpoint`'s options
    /// for TCP do not count then.
    pub fn connector<T>(self, connector: T) -> TonicBuilder<T> {
        let Self { outbound, endpoint, executor, retry, .. } = self;
        TonicBuilder { outbound, endpoint, connector, tonics_tls: false, executor, retry }
    }

    /// Spawns the channel's tasks: tokio's runtime unless set.
    pub fn executor<E>(mut self, executor: E) -> Self
    where
        E: Executor<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> + Send + Sync + 'static,
    {
        self.executor = Arc::new(executor);
        self
    }

    /// Options of this channel's retries: those of the [`Outbound`](crate::Outbound) unless set.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use tower_outbound::Outbound;
    /// let endpoint = tonic::transport::Endpoint::from_static("http://inventory:50051");
    /// let channel = Outbound::new().tonic(endpoint).retry(|retry| retry.grpc().max_retries(3)).connect_lazy();
    /// # let _ = channel;
    /// # }
    /// ```
    pub fn retry(mut self, options: impl FnOnce(RetryLayer) -> RetryLayer) -> Self {
        self.retry = options(self.retry);
        self
    }
}

impl<C> TonicBuilder<C>
where
    C: Service<Uri> + Send + 'static,
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    /// A channel that connects for its first call, and whenever the connection is gone.
    ///
    /// # Panics
    /// Outside a runtime of tokio, unless there is an executor.
    #[must_use]
    pub fn connect_lazy(self) -> TonicChannel {
        let (seat, connector, above) = self.split();
        let channel = match above {
            true => seat.endpoint.connect_with_connector_lazy(connector),
            false => Channel::new(connector, seat.endpoint.clone()),
        };
        seat.put(channel)
    }

    /// A channel that has connected.
    ///
    /// # Errors
    /// An [`Error`] whose [`failure`](Error::failure) says why it has not. Nothing is tried again.
    ///
    /// # Cancel safety
    /// Dropping it gives the connect up.
    pub async fn connect(self) -> Result<TonicChannel, Error> {
        let (seat, connector, above) = self.split();
        let connected = match above {
            true => seat.endpoint.connect_with_connector(connector).await,
            false => Channel::connect(connector, seat.endpoint.clone()).await,
        };
        match connected {
            Ok(channel) => Ok(seat.put(channel)),
            Err(error) => {
                let error = told(error);
                Err(Error::new(Failure::of(&*error).unsent(), None, error))
            }
        }
    }

    /// What goes above the channel, what goes below it, and whether tonic's TLS goes between.
    fn split(self) -> (Above, ChannelConnector<C>, bool) {
        let tonics_tls = self.tonics_tls && self.endpoint.uri().scheme_str() == Some("https");
        let limit = self.outbound.registry().settings().connect.connect;
        let opened = Opened::default();
        let endpoint = self.endpoint.executor(Spawner::new(self.executor, opened.clone()));
        let mut layer = self.outbound.track_layer().below_tls(tonics_tls);
        let endpoint = match endpoint.get_connect_timeout() {
            Some(timeout) => {
                layer = layer.connect_timeout(timeout);
                endpoint
            }
            // The tracked connector's limit ends below TLS, and tonic's TLS has none by itself.
            None if tonics_tls && limit > Duration::ZERO => endpoint.connect_timeout(limit),
            None => endpoint,
        };
        let tracked: Track<C> = layer.layer(self.connector);
        let above = Above { outbound: self.outbound, endpoint, retry: self.retry };
        (above, ChannelConnector::new(tracked, opened), tonics_tls)
    }
}

/// What goes above the channel.
struct Above {
    outbound: Outbound,
    endpoint: Endpoint,
    retry: RetryLayer,
}

impl Above {
    fn put(self, channel: Channel) -> TonicChannel {
        let observed = self.outbound.attempt_layer().origin(self.endpoint.uri()).layer(Seat(channel));
        TonicChannel::new(self.outbound, self.retry.layer(observed))
    }
}

impl<C> fmt::Debug for TonicBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No more of the URI: there may be a password in it.
        let uri = self.endpoint.uri();
        f.debug_struct("TonicBuilder")
            .field("scheme", &uri.scheme_str())
            .field("host", &uri.host())
            .field("port", &uri.port_u16())
            .finish_non_exhaustive()
    }
}
