//! TLS of the client. The provider is always explicit: rustls panics if a program has two and no default.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};

/// The cryptography that rustls uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProvider {
    /// ring.
    #[default]
    Ring,
    /// aws-lc-rs.
    #[cfg(feature = "aws-lc-rs")]
    #[cfg_attr(docsrs, doc(cfg(feature = "aws-lc-rs")))]
    AwsLcRs,
}

impl TlsProvider {
    fn provider(self) -> Arc<CryptoProvider> {
        Arc::new(match self {
            Self::Ring => rustls::crypto::ring::default_provider(),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => rustls::crypto::aws_lc_rs::default_provider(),
        })
    }

    pub(super) fn config(self, roots: RootCertStore) -> ClientConfig {
        ClientConfig::builder_with_provider(self.provider())
            .with_safe_default_protocol_versions()
            .expect("both providers know TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}
