//! TLS to the receiver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::Uri;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tower_outbound::{Event, Kind, Observer};

use crate::settings::Tls;
use crate::{TelemetryError, Warning};

/// With the roots of the variables or of the system, and the client certificate, if any.
pub(super) fn config(
    uri: &Uri,
    tls: &Tls,
    warnings: &mut Vec<Warning>,
) -> Result<ClientConfig, TelemetryError> {
    let mut roots = RootCertStore::empty();
    match &tls.roots {
        // Reading the system's roots takes tens of milliseconds.
        _ if uri.scheme_str() == Some("http") => (0, 0),
        Some(given) => roots.add_parsable_certificates(given.iter().cloned()),
        None => {
            let loaded = rustls_native_certs::load_native_certs();
            warn_of_unreadable_roots(&loaded.errors, warnings);
            roots.add_parsable_certificates(loaded.certs)
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TelemetryError::new("setting up TLS", error))?
        .with_root_certificates(roots);
    let Some((chain, key)) = &tls.client else { return Ok(config.with_no_client_auth()) };
    config.clone().with_client_auth_cert(chain.clone(), key.clone_key()).or_else(|error| {
        let used = format!("no client certificate, since it does not work with its key: {error}");
        warnings.push(Warning::new("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "the certificate", used));
        Ok(config.with_no_client_auth())
    })
}

/// The variables replace the system's roots. Of those, unreadable ones are skipped.
fn warn_of_unreadable_roots(errors: &[rustls_native_certs::Error], warnings: &mut Vec<Warning>) {
    let reason = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    for key in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = std::env::var_os(key).filter(|_| !errors.is_empty()) {
            let value = value.to_string_lossy();
            warnings.push(Warning::new(key, &value, "what could be read").because(reason.clone()));
        }
    }
}

/// Whether TLS ended the connection that closed last, before the receiver had said anything over it.
///
/// With TLS 1.3 the alert of a receiver that misses a client certificate comes after the handshake. On HTTP/2 the client
/// then has a closed connection, and no error of TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct RefusedByTls(Arc<AtomicBool>);

impl RefusedByTls {
    pub(super) fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Observer for RefusedByTls {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::ConnectionClosed { connection, closed, .. } = event {
            let by_tls = closed.error() == Some(Kind::SecureConnection);
            self.0.store(by_tls && connection.bytes_in() == 0, Relaxed);
        }
    }

    fn wants_attempt_phases(&self) -> bool {
        false
    }
}
