//! Certificates and keys, from PEM files.

use std::fmt;
use std::path::Path;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::reader::Reader;
use super::variables::SignalVariables;
use crate::Warning;

/// Larger than any list of certificates.
const LARGEST: u64 = 16 << 20;
const NO_CLIENT: &str = "no client certificate";

/// The trusted roots and the client certificate.
#[derive(Default)]
pub(crate) struct Tls {
    /// Not empty; `None`: the system's roots.
    pub(crate) roots: Option<Vec<CertificateDer<'static>>>,
    /// The chain, and the key of its first certificate.
    pub(crate) client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// The content of a variable's file.
struct File<T> {
    key: &'static str,
    path: String,
    holds: T,
}

impl Reader<'_> {
    pub(super) fn tls(&mut self, signal: &SignalVariables) -> Tls {
        let roots = [signal.certificate, "OTEL_EXPORTER_OTLP_CERTIFICATE"];
        Tls {
            roots: self.file(&roots, "the system's roots", trusted).map(|file| file.holds),
            client: self.client(signal),
        }
    }

    fn client(
        &mut self,
        signal: &SignalVariables,
    ) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let certificates = [signal.client_certificate, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
        let keys = [signal.client_key, "OTEL_EXPORTER_OTLP_CLIENT_KEY"];
        let chain = self.file(&certificates, NO_CLIENT, chain);
        let key = self.file(&keys, NO_CLIENT, private_key);
        let (alone, path, missing) = match (chain, key) {
            (Some(chain), Some(key)) => return self.pair(chain, key),
            (Some(chain), None) => (chain.key, chain.path, keys),
            (None, Some(key)) => (key.key, key.path, certificates),
            (None, None) => return None,
        };
        let missing = match missing.iter().find(|missing| self.value(missing).is_some()) {
            Some(unusable) => format!("{unusable} cannot be used"),
            None => format!("without {}", missing[1]),
        };
        self.push(Warning::new(alone, &path, NO_CLIENT).because(missing));
        None
    }

    fn pair(
        &mut self,
        chain: File<Vec<CertificateDer<'static>>>,
        key: File<PrivateKeyDer<'static>>,
    ) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        match CertifiedKey::from_der(chain.holds.clone(), key.holds.clone_key(), &ring::default_provider()) {
            Ok(_) => Some((chain.holds, key.holds)),
            Err(error) => {
                let reason = format!("with {}: {error}", key.key);
                self.push(Warning::new(chain.key, &chain.path, NO_CLIENT).because(reason));
                None
            }
        }
    }

    /// The file of the first variable that is usable.
    fn file<T>(
        &mut self,
        keys: &[&'static str],
        without: &str,
        parse: impl Fn(&[u8]) -> Result<T, &'static str>,
    ) -> Option<File<T>> {
        let mut refused = Vec::new();
        let mut found = None;
        for &key in keys {
            let Some(path) = self.value(key) else { continue };
            let read = read(Path::new(&path));
            match read.and_then(|pem| parse(&pem).map_err(str::to_owned)) {
                Ok(holds) => {
                    found = Some(File { key, path, holds });
                    break;
                }
                Err(reason) => refused.push((key, shown(&path).to_owned(), reason)),
            }
        }
        let used = found.as_ref().map_or(without, |file| file.path.as_str());
        for (key, path, reason) in refused {
            self.push(Warning::new(key, &path, used).because(reason));
        }
        found
    }
}

/// Hides a value that is the key instead of its path.
fn shown(path: &str) -> &str {
    if path.contains("-----") || path.contains('\n') { "…" } else { path }
}

/// Reads regular files only: others may be endless.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("not a file".into());
    }
    if found.len() > LARGEST {
        return Err("larger than 16 MiB".into());
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    // The error may quote a line of the file: do not show it.
    let chain = chain.map_err(|_| "not PEM")?;
    if chain.is_empty() { Err("no certificate in PEM") } else { Ok(chain) }
}

/// The certificates that rustls can use.
fn trusted(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let mut roots = chain(pem)?;
    roots.retain(|root| RootCertStore::empty().add(root.clone()).is_ok());
    if roots.is_empty() { Err("no usable certificate") } else { Ok(roots) }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| "no private key in PEM")
}

/// Shows the number of certificates, and nothing of the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("roots", &self.roots.as_ref().map(Vec::len))
            .field("client", &self.client.as_ref().map(|(chain, _)| chain.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests;
