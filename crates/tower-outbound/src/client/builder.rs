use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tower_layer::Layer;

use super::shared::SharedConnector;
use super::{OutboundClient, TlsProvider};
use crate::connect::TcpConnector;
use crate::outbound::Outbound;
use crate::pool::PoolBuilder;

/// Options of an [`OutboundClient`]; from [`Outbound::client_builder`](crate::Outbound::client_builder).
///
/// # Example
/// ```
/// use tower_outbound::Outbound;
/// use tower_outbound::client::rustls::RootCertStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let outbound = Outbound::new();
/// let client = outbound
///     .client_builder()
///     .root_certificates(RootCertStore::empty())
///     .max_idle_per_origin(8)
///     .build();
/// # let _ = client;
/// # }
/// ```
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct ClientBuilder {
    outbound: Outbound,
    tcp: TcpConnector,
    provider: TlsProvider,
    roots: Option<RootCertStore>,
    added: Vec<CertificateDer<'static>>,
    tls: Option<ClientConfig>,
    http2_only: bool,
    pool: PoolBuilder,
}

impl ClientBuilder {
    pub(super) fn new(outbound: Outbound) -> Self {
        let tcp = outbound.http_connector();
        let pool = PoolBuilder::new(outbound.registry().settings().of_pool());
        Self {
            outbound,
            tcp,
            provider: TlsProvider::default(),
            roots: None,
            added: Vec::new(),
            tls: None,
            http2_only: false,
            pool,
        }
    }

    /// The cryptography that rustls uses. Default: ring.
    pub fn tls_provider(mut self, provider: TlsProvider) -> Self {
        self.provider = provider;
        self
    }

    /// Trusts one more authority. A certificate that cannot be parsed is ignored, with a warning in the log.
    ///
    /// # Example
    /// ```no_run
    /// use tower_outbound::Outbound;
    /// use tower_outbound::client::rustls;
    /// use rustls::pki_types::{CertificateDer, pem::PemObject};
    ///
    /// let authority = CertificateDer::from_pem_file("our-ca.pem").unwrap();
    /// let client = Outbound::new().client_builder().add_root_certificate(authority).build();
    /// ```
    pub fn add_root_certificate(mut self, authority: CertificateDer<'static>) -> Self {
        self.added.push(authority);
        self
    }

    /// The trusted authorities.
    ///
    /// Default: those that the variables `SSL_CERT_FILE` (a PEM file) and `SSL_CERT_DIR` (directories of such files) name.
    /// What cannot be read there is a warning in the log, and no other authorities are trusted instead. Without these
    /// variables the system's, or Mozilla's if the system has none.
    pub fn root_certificates(mut self, roots: RootCertStore) -> Self {
        self.roots = Some(roots);
        self
    }

    /// A TLS configuration, for client certificates or a verifier. It replaces provider and roots; its ALPN list is
    /// replaced by the client's.
    pub fn tls_config(mut self, mut config: ClientConfig) -> Self {
        // hyper-rustls sets the list, and panics if the list is not empty.
        config.alpn_protocols.clear();
        self.tls = Some(config);
        self
    }

    /// The connector below TLS. Default: [`Outbound::http_connector`](crate::Outbound::http_connector).
    pub fn tcp_connector(mut self, tcp: TcpConnector) -> Self {
        self.tcp = tcp;
        self
    }

    /// Sends every request over HTTP/2; over `http` with prior knowledge (RFC 9113, section 3.3). Default: false.
    pub fn http2_only(mut self, http2_only: bool) -> Self {
        self.http2_only = http2_only;
        self
    }

    /// The number of idle connections that the pool keeps for one origin. Default: 50. Zero disables the pool.
    ///
    /// The pool closes each connection that becomes idle above this number. A burst of more concurrent requests over
    /// HTTP/1 than this number connects anew each time.
    /// [`OutboundBuilder::idle_timeout`](crate::outbound::OutboundBuilder::idle_timeout) closes the kept ones.
    pub fn max_idle_per_origin(mut self, max_idle: usize) -> Self {
        self.pool = self.pool.max_idle_per_origin(max_idle);
        self
    }

    /// The options of the pool: limits of connections and of the wait for one, age, uses, HTTP/1. They begin with those of
    /// the `Outbound`. [`http2_only`](Self::http2_only) is set elsewhere.
    ///
    /// # Example
    /// ```
    /// use std::time::Duration;
    /// use tower_outbound::Outbound;
    ///
    /// let client = Outbound::new()
    ///     .client_builder()
    ///     .pool(|pool| pool.max_connections_per_origin(20).max_age(Duration::from_secs(600)))
    ///     .build();
    /// # let _ = client;
    /// ```
    pub fn pool(mut self, options: impl FnOnce(PoolBuilder) -> PoolBuilder) -> Self {
        self.pool = options(self.pool);
        self
    }

    /// HTTP/2: after this long without a received frame, send a PING while streams are open. Default: 10 s. Zero disables the
    /// PINGs.
    ///
    /// If the peer does not answer within the [timeout](Self::keep_alive_timeout), the connection closes with
    /// [`CloseReason::Silent`](crate::connect::CloseReason::Silent), and the requests on it fail as timed out. So the requests
    /// that first use a connection whose peer has vanished fail within interval and timeout, and none after them.
    ///
    /// Some gRPC servers allow fewer PINGs: grpc-go and gRPC C++ close a connection that sends several of them within five
    /// minutes while the server sends nothing.
    pub fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.pool = self.pool.keep_alive_interval(interval);
        self
    }

    /// HTTP/2: how long the peer may take to answer a PING. Default: 10 s. Zero disables the PINGs.
    pub fn keep_alive_timeout(mut self, timeout: Duration) -> Self {
        self.pool = self.pool.keep_alive_timeout(timeout);
        self
    }

    /// HTTP/2: sends PINGs also while no stream is open. Default: false.
    ///
    /// Then an idle connection whose peer has vanished closes before a request uses it. Some servers and proxies close a
    /// connection that sends PINGs without streams.
    pub fn keep_alive_while_idle(mut self, while_idle: bool) -> Self {
        self.pool = self.pool.keep_alive_while_idle(while_idle);
        self
    }

    /// Builds the client. Reads the system's root certificates from disk, unless roots or a TLS configuration are set.
    #[must_use]
    pub fn build(self) -> OutboundClient {
        let tls = self.tls.unwrap_or_else(|| {
            let mut roots = self.roots.unwrap_or_else(super::roots::system_roots);
            super::roots::add(&mut roots, self.added);
            self.provider.config(roots)
        });
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = match self.http2_only {
            true => https.enable_http2().wrap_connector(self.tcp),
            false => https.enable_all_versions().wrap_connector(self.tcp),
        };
        let connector = SharedConnector::new(self.outbound.track_layer().layer(https));
        let pool = self.pool.http2_only(self.http2_only).build(connector);
        pool.follow(self.outbound.registry());
        let service = self.outbound.layer().layer(pool).above_observe();
        OutboundClient { service, outbound: self.outbound }
    }
}
