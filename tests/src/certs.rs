//! A certificate authority for one test, and what servers and clients need of it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// An authority, and a certificate of it for `localhost`, `127.0.0.1`, `::1` and one more host.
#[derive(Debug)]
pub struct Certs {
    authority: CertificateDer<'static>,
    authority_pem: String,
    leaf: CertificateDer<'static>,
    leaf_pem: String,
    key: KeyPair,
}

impl Certs {
    /// Valid now.
    #[must_use]
    pub fn new(host: &str) -> Certs {
        Certs::issue(&names(host)).expect("rcgen issues what it is asked for")
    }

    /// Valid for `host` alone, so that `localhost` is the wrong name.
    #[must_use]
    pub fn only_for(host: &str) -> Certs {
        let params = CertificateParams::new(vec![host.to_owned()]);
        params.and_then(|params| Certs::issue(&params)).expect("rcgen issues what it is asked for")
    }

    /// Not valid any more.
    #[must_use]
    pub fn expired(host: &str) -> Certs {
        let mut params = names(host);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        Certs::issue(&params).expect("rcgen issues what it is asked for")
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

    /// For a server that offers these protocols; none means no ALPN.
    #[must_use]
    pub fn server_config(&self, alpn: &[&str]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![self.leaf.clone()], key)
            .expect("the key is the certificate's");
        config.alpn_protocols = protocols(alpn);
        Arc::new(config)
    }

    /// As [`server_config`](Self::server_config), for a server that asks for a certificate of `clients`' authority.
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
            .expect("the key is the certificate's");
        config.alpn_protocols = protocols(alpn);
        Arc::new(config)
    }

    /// For a client that trusts this authority alone and offers these protocols.
    ///
    /// `hyper-rustls` wants the list empty, since it fills it itself.
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

    /// A store with this authority alone.
    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("the authority is well formed");
        roots
    }

    /// The authority as PEM, for clients that read it so.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The certificate as PEM, for real servers.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.leaf_pem
    }

    /// The certificate's key as PEM, for real servers.
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

/// Passed explicitly: with two providers in the build rustls cannot choose one.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
