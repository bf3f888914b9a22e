//! The transport: tower-outbound's connector, which times the resolver, each address and the TLS handshake.

use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tower::ServiceExt as _;
use tower_outbound::connect::{TcpConnector, Track};
use tower_outbound::{BoxError, Outbound};

use crate::cli::{Server, Tls};
use crate::probe::Io;

/// Opens connections, plain or with TLS.
#[derive(Clone, Debug)]
pub struct Transport {
    connector: Track<HttpsConnector<TcpConnector>>,
    tls: TlsConfig,
}

/// rustls with the roots of `SSL_CERT_FILE` and `SSL_CERT_DIR`, otherwise the system's.
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Reads the roots; those that cannot be read are returned as a text.
    ///
    /// # Errors
    /// The provider knows no version of TLS.
    pub fn from_env() -> Result<(Self, Option<String>), rustls::Error> {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (_, ignored) = roots.add_parsable_certificates(loaded.certs);
        let mut problems: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
        if ignored > 0 {
            problems.push(format!("{ignored} root certificates cannot be parsed"));
        }
        Ok((Self::new(roots)?, (!problems.is_empty()).then(|| problems.join("; "))))
    }

    /// Trusts these roots.
    ///
    /// # Errors
    /// The provider knows no version of TLS.
    pub fn new(roots: RootCertStore) -> Result<Self, rustls::Error> {
        // Explicit: rustls panics if a program has two providers and no default.
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// For STARTTLS.
    #[must_use]
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.0))
    }
}

impl Transport {
    /// Connections of this stack. Its own time limits should be off: the operation's deadline is the only one.
    #[must_use]
    pub fn new(outbound: &Outbound, tls: TlsConfig) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(ClientConfig::clone(&tls.0))
            .https_or_http()
            .enable_http1() // names no protocol (ALPN)
            .wrap_connector(outbound.http_connector());
        Self { connector: outbound.connector(https), tls }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// The name cannot be resolved, no address can be connected to, or the handshake fails.
    pub async fn connect(&self, server: &Server, tls: Tls) -> Result<Box<dyn Io>, BoxError> {
        let uri = server.uri(if tls == Tls::Tls { "https" } else { "http" })?;
        let io = self.connector.clone().oneshot(uri).await?;
        Ok(Box::new(TokioIo::new(io)))
    }

    /// For STARTTLS.
    #[must_use]
    pub fn tls(&self) -> &TlsConfig {
        &self.tls
    }
}
