use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::hyper::rt::{Executor, Read, Write};
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::TokioExecutor;
use tonic::transport::{Channel, Endpoint};
use tower_layer::Layer;
use tower_service::Service;

use super::TonicChannel;
use super::connect_timeout::classified;
use super::connector::ChannelConnector;
use super::executor::{ChannelExecutor, OpenedConnection, Task};
use super::service::ChannelService;
use crate::connect::{TcpConnector, Track};
use crate::error::{BoxError, Error};
use crate::failure::Failure;
use crate::outbound::Outbound;
use crate::retry::RetryLayer;
use crate::util::user_info;

/// Options of a [`TonicChannel`]; from [`Outbound::tonic`](crate::Outbound::tonic).
///
/// The options of the `Endpoint` apply, except for those that an `Endpoint` does not return:
/// - the executor: use [`executor`](Self::executor);
/// - `local_address`: use `tcp_connector(outbound.http_connector().local_address(..))`;
/// - the path of a Unix socket: use a [`connector`](Self::connector) that opens the socket. Otherwise the channel
///   connects to `http://tonic` over TCP.
#[must_use = "a builder does nothing until `connect_lazy` or `connect`"]
pub struct TonicBuilder<C = TcpConnector> {
    outbound: Outbound,
    endpoint: Endpoint,
    connector: C,
    /// Whether tonic does TLS, above the connector, for an `https` URI.
    tonic_tls: bool,
    executor: Arc<dyn Executor<Task> + Send + Sync>,
    retry: RetryLayer,
}

impl Outbound {
    /// tonic's channel with every layer in its place: retry, observe and in-flight limit above it, the tracked TCP
    /// connector below it.
    ///
    /// User and password in the `Endpoint`'s URI become `authorization: Basic`, unless a request has that header.
    ///
    /// # PINGs
    /// The `Endpoint`'s options apply: `http2_keep_alive_interval`, `keep_alive_timeout` and `keep_alive_while_idle`. They are off
    /// by default, because gRPC servers limit PINGs: grpc-go and gRPC C++ close a connection that sends several of them within
    /// five minutes while the server sends nothing.
    ///
    /// # TLS
    /// Use [`TonicBuilder::tls_config`] (feature `client`), or a [`TonicBuilder::connector`] that does TLS.
    ///
    /// tonic's own TLS (`Endpoint::tls_config`) works too, but it runs above the tracked connection. Then the bytes of a
    /// connection are ciphertext, the handshake has no phase, a GOAWAY is neither a close reason nor a proof that a
    /// request was not processed, and silent connections are not retired (tonic's `http2_keep_alive_interval` closes
    /// them).
    ///
    /// The connect timeout (the `Endpoint`'s, or that of the stack) includes tonic's handshake, with
    /// [`Kind::TlsTimeout`](crate::Kind::TlsTimeout). If the URI is `https` and nothing does TLS, each call fails with
    /// [`Kind::SecureConnection`](crate::Kind::SecureConnection), and nothing is sent.
    ///
    /// # Example
    /// ```
    /// use tonic::transport::Endpoint;
    /// use tower_outbound::Outbound;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // Retries UNAVAILABLE in a trailers-only response.
    /// let outbound = Outbound::builder().retry(|retry| retry.grpc()).build();
    /// let channel = outbound.tonic(Endpoint::from_static("http://inventory:50051")).connect_lazy();
    /// // A generated client: `InventoryClient::new(channel)`.
    /// let client = tonic::client::Grpc::new(channel);
    /// # let _ = client;
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "tonic-channel")))]
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
            tonic_tls: true,
            executor: Arc::new(TokioExecutor::new()),
        }
    }
}

impl TonicBuilder {
    /// The connector below TLS. Default: [`Outbound::http_connector`](crate::Outbound::http_connector) with the
    /// `Endpoint`'s options for TCP.
    pub fn tcp_connector(mut self, tcp: TcpConnector) -> Self {
        self.connector = tcp;
        self
    }

    /// TLS by hyper-rustls below the tracked connection, in place of tonic's, for an `https` URI. The ALPN list of the
    /// configuration is replaced by `h2`.
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
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn tls_config(
        self,
        mut config: rustls::ClientConfig,
    ) -> TonicBuilder<hyper_rustls::HttpsConnector<TcpConnector>> {
        // hyper-rustls sets the list, and panics if the list is not empty.
        config.alpn_protocols.clear();
        let https =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http2();
        let connector = https.wrap_connector(self.connector.clone());
        self.connector(connector)
    }
}

impl<C> TonicBuilder<C> {
    /// A connector of your own. It does TLS if the URI is `https`. tonic's TLS and the `Endpoint`'s options for TCP have
    /// no effect.
    pub fn connector<T>(self, connector: T) -> TonicBuilder<T> {
        let Self { outbound, endpoint, executor, retry, .. } = self;
        TonicBuilder { outbound, endpoint, connector, tonic_tls: false, executor, retry }
    }

    /// Spawns the channel's tasks. Default: on tokio's runtime.
    pub fn executor<E>(mut self, executor: E) -> Self
    where
        E: Executor<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> + Send + Sync + 'static,
    {
        self.executor = Arc::new(executor);
        self
    }

    /// Sets the retry options of this channel. Default: those of the [`Outbound`](crate::Outbound).
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
    /// Builds a channel that connects for its first call, and again after the connection is closed.
    ///
    /// # Panics
    /// Outside of a tokio runtime, unless an [`executor`](Self::executor) is set.
    #[must_use]
    pub fn connect_lazy(self) -> TonicChannel {
        let (layers, connector, tonic_tls) = self.split();
        let channel = match tonic_tls {
            true => layers.endpoint.connect_with_connector_lazy(connector),
            false => Channel::new(connector, layers.endpoint.clone()),
        };
        layers.around(channel)
    }

    /// Builds a channel and connects. There are no retries.
    ///
    /// # Errors
    /// An [`Error`] whose [`failure`](Error::failure) has the kind and the phase of the failed connect.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the connect.
    pub async fn connect(self) -> Result<TonicChannel, Error> {
        let (layers, connector, tonic_tls) = self.split();
        let connected = match tonic_tls {
            true => layers.endpoint.connect_with_connector(connector).await,
            false => Channel::connect(connector, layers.endpoint.clone()).await,
        };
        match connected {
            Ok(channel) => Ok(layers.around(channel)),
            Err(error) => {
                let error = classified(error);
                Err(Error::new(Failure::of(&*error).unsent(), None, error))
            }
        }
    }

    /// The layers above the channel, the connector below it, and whether tonic does TLS between them.
    fn split(self) -> (LayersAbove, ChannelConnector<C>, bool) {
        let tonic_tls = self.tonic_tls && self.endpoint.uri().scheme_str() == Some("https");
        let timeout = self.outbound.registry().settings().connect.connect;
        let opened = OpenedConnection::default();
        let endpoint = self.endpoint.executor(ChannelExecutor::new(self.executor, opened.clone()));
        // A channel has one connection, which it keeps.
        let mut layer = self.outbound.track_layer().below_tls(tonic_tls).idle_timeout(Duration::ZERO);
        let endpoint = match endpoint.get_connect_timeout() {
            Some(own) => {
                layer = layer.connect_timeout(own);
                endpoint
            }
            // The timeout of the tracked connector ends below TLS, and tonic's TLS has none.
            None if tonic_tls && timeout > Duration::ZERO => endpoint.connect_timeout(timeout),
            None => endpoint,
        };
        let tracked: Track<C> = layer.layer(self.connector);
        // tonic would send the user info in `:authority`.
        let (endpoint, authorization) = match user_info::split(endpoint.uri()) {
            Some((origin, authorization)) => (endpoint.origin(origin), Some(authorization)),
            None => (endpoint, None),
        };
        let layers = LayersAbove {
            outbound: self.outbound,
            connect_timeout: endpoint.get_connect_timeout().unwrap_or(timeout),
            endpoint,
            authorization,
            retry: self.retry,
        };
        (layers, ChannelConnector::new(tracked, opened), tonic_tls)
    }
}

/// The layers above the channel.
struct LayersAbove {
    outbound: Outbound,
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    connect_timeout: Duration,
    retry: RetryLayer,
}

impl LayersAbove {
    fn around(self, channel: Channel) -> TonicChannel {
        let service = ChannelService { channel, authorization: self.authorization };
        let observed = self.outbound.attempt_layer().origin(self.endpoint.uri()).layer(service);
        TonicChannel::new(self.outbound, self.retry.layer(observed).connects_by_task(self.connect_timeout))
    }
}

impl<C> fmt::Debug for TonicBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest of the URI may contain a password.
        let uri = self.endpoint.uri();
        f.debug_struct("TonicBuilder")
            .field("scheme", &uri.scheme_str())
            .field("host", &uri.host())
            .field("port", &uri.port_u16())
            .finish_non_exhaustive()
    }
}
