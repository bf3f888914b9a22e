use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tower_layer::Layer;

use super::client::HyperClient;
use super::{OutboundClient, TlsProvider};
use crate::connect::TcpConnector;
use crate::outbound::Outbound;

/// Idle connections kept per origin.
const MAX_IDLE: usize = 10;

/// Options of an [`OutboundClient`].
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
    max_idle: usize,
}

impl ClientBuilder {
    pub(super) fn new(outbound: Outbound) -> Self {
        let tcp = outbound.http_connector();
        Self {
            outbound,
            tcp,
            provider: TlsProvider::default(),
            roots: None,
            added: Vec::new(),
            tls: None,
            http2_only: false,
            max_idle: MAX_IDLE,
        }
    }

    /// Which cryptography rustls uses: ring unless set.
    pub fn tls_provider(mut self, provider: TlsProvider) -> Self {
        self.provider = provider;
        self
    }

    /// Trusts an authority besides the others; one that cannot be parsed is passed over.
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

    /// Which authorities are trusted: the system's unless set, and Mozilla's where the system has none.
    pub fn root_certificates(mut self, roots: RootCertStore) -> Self {
        self.roots = Some(roots);
        self
    }

    /// A whole TLS configuration of your own (client certificates, say), in place of provider and roots; its
    /// ALPN list is replaced.
    pub fn tls_config(mut self, mut config: ClientConfig) -> Self {
        // hyper-rustls sets the list itself and panics on one that is set.
        config.alpn_protocols.clear();
        self.tls = Some(config);
        self
    }

    /// The connector below TLS, with a resolver or options of your own.
    pub fn tcp_connector(mut self, tcp: TcpConnector) -> Self {
        self.tcp = tcp;
        self
    }

    /// HTTP/2 only: over `http` with prior knowledge (RFC 9113, section 3.3). Off unless set.
    pub fn http2_only(mut self, http2_only: bool) -> Self {
        self.http2_only = http2_only;
        self
    }

    /// Idle connections kept per origin: 10 unless set; 0 turns the pool off.
    pub fn max_idle_per_origin(mut self, max_idle: usize) -> Self {
        self.max_idle = max_idle;
        self
    }

    /// The client. Reads the system's root certificates unless roots or a TLS configuration were given.
    #[must_use]
    pub fn build(self) -> OutboundClient {
        let tls = self.tls.unwrap_or_else(|| {
            let mut roots = self.roots.unwrap_or_else(super::tls::system_roots);
            roots.add_parsable_certificates(self.added);
            self.provider.config(roots)
        });
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = match self.http2_only {
            true => https.enable_http2().wrap_connector(self.tcp),
            false => https.enable_all_versions().wrap_connector(self.tcp),
        };
        let client: HyperClient = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            // Without a timer of its own the pool never closes what is idle.
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.outbound.idle_timeout())
            .pool_max_idle_per_host(self.max_idle)
            .http2_only(self.http2_only)
            // Its own retries are silent and without a bound.
            .retry_canceled_requests(false)
            .build(self.outbound.connector(https));
        let service = self.outbound.layer().layer(client);
        OutboundClient { service, outbound: self.outbound }
    }
}
