//! TLS towards the server of the bench.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::server::Addresses;

/// Trusts the server's certificate.
pub(crate) fn config(to: &Addresses) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(to.certificate.clone().into()).expect("the server's certificate");
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
