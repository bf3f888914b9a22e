//! TLS with a certificate of this process's own.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::Fallible;

/// An acceptor of HTTP/1, and the certificate to trust as DER.
pub(super) fn acceptor() -> Fallible<(TlsAcceptor, Vec<u8>)> {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let certificate = pair.cert.der().clone();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), certificate.to_vec()))
}
