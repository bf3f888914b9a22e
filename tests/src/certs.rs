//! A certificate authority for one test, with its server and client configurations.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// An authority, and a certificate that it issued for `localhost`, `127.0.0.1`, `::1` and one more host.
#[derive(Debug)]
pub struct Certs {
    authority: CertificateDer<'static>,
    authority_pem: String,
    leaf: CertificateDer<'static>,
    leaf_pem: String,
    key: KeyPair,
}

impl Certs {
    /// A certificate that is valid now.
    #[must_use]
    pub fn new(host: &str) -> Certs {
        Certs::issue(&names(host)).expect("the parameters are valid")
    }

    /// A certificate for `host` only, so that `localhost` is a wrong name.
    #[must_use]
    pub fn only_for(host: &str) -> Certs {
        let params = CertificateParams::new(vec![host.to_owned()]);
        params.and_then(|params| Certs::issue(&params)).expect("the parameters are valid")
    }

    /// An expired certificate.
    #[must_use]
    pub fn expired(host: &str) -> Certs {
        let mut params = names(host);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        Certs::issue(&params).expect("the parameters are valid")
    }

    fn issue(params: &CertificateParams) -> Result<Certs, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "outbound-tests authority");
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &issuer)?;
        Ok(Certs {
            authority: issuer.der().clone(),
            authority_pem: issuer.pem(),
            leaf: leaf.der().clone(),
            leaf_pem: leaf.pem(),
            key,
        })
    }

    /// The configuration of a server that offers these protocols; an empty list disables ALPN.
    #[must_use]
    pub fn server_config(&self, alpn: &[&str]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![self.leaf.clone()], key)
            .expect("the key matches the certificate");
        config.alpn_protocols = protocols(alpn);
        Arc::new(config)
    }

    /// As [`server_config`](Self::server_config), with a required client certificate of `clients`' authority.
    #[must_use]
    pub fn server_config_asking_for(&self, clients: &Certs, alpn: &[&str]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots()), provider())
            .build()
            .expect("one authority is enough");
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has TLS 1.2 and 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.leaf.clone()], key)
            .expect("the key matches the certificate");
        config.alpn_protocols = protocols(alpn);
        Arc::new(config)
    }

    /// The configuration of a client that trusts only this authority and offers these protocols.
    ///
    /// `hyper-rustls` requires an empty list, which it fills itself.
    #[must_use]
    pub fn client_config(&self, alpn: &[&str]) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has TLS 1.2 and 1.3")
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.alpn_protocols = protocols(alpn);
        config
    }

    /// A root store with only this authority.
    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("the authority is well formed");
        roots
    }

    /// The authority as PEM.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.leaf_pem
    }

    /// The certificate's key as PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

fn names(host: &str) -> CertificateParams {
    let names: Vec<_> = ["localhost", "127.0.0.1", "::1", host].into_iter().map(str::to_owned).collect();
    CertificateParams::new(names).expect("the host is a name or an address")
}

fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// Passed explicitly: rustls has no default if two providers are compiled in.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
