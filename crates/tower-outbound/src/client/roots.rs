//! The root certificates that the client trusts.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::CertificateResult;

use crate::event::log;

/// The variables that name other roots than the system's. `rustls_native_certs` reads them.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The roots that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; without these variables the system's roots, or Mozilla's if the
/// system has none.
pub(super) fn system_roots() -> RootCertStore {
    let set = |key: &&'static str| Some((*key, std::env::var_os(key)?.to_string_lossy().into_owned()));
    let named: Vec<_> = VARIABLES.iter().filter_map(set).collect();
    roots(rustls_native_certs::load_native_certs(), &named)
}

/// `named`: the variables that are set, with their values.
fn roots(loaded: CertificateResult, named: &[(&str, String)]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(loaded.certs);
    if named.is_empty() {
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        return roots;
    }
    let mut faults: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    if ignored > 0 {
        faults.push(format!("{ignored} certificates cannot be parsed"));
    } else if faults.is_empty() && roots.is_empty() {
        faults.push("no certificate found".to_owned());
    }
    if !faults.is_empty() {
        let named: Vec<_> = named.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
        log::root_certificates(&named.join(", "), &faults.join("; "), roots.len());
    }
    roots
}

/// Adds roots that the application gives.
pub(super) fn add(roots: &mut RootCertStore, added: Vec<CertificateDer<'static>>) {
    for (at, certificate) in added.into_iter().enumerate() {
        if let Err(error) = roots.add(certificate) {
            let named = format!("`add_root_certificate`, call {}", at + 1);
            log::root_certificates(&named, &error.to_string(), roots.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls_native_certs::load_certs_from_paths;

    use super::*;

    #[test]
    fn roots_unreadable_variable_does_not_fall_back() {
        let missing = Path::new("/does/not/exist.pem");
        let named = [("SSL_CERT_FILE", missing.display().to_string())];
        assert_eq!(roots(load_certs_from_paths(Some(missing), None), &named).len(), 0);
        assert_eq!(roots(CertificateResult::default(), &named).len(), 0, "an empty file");
    }

    #[test]
    fn roots_without_variable_and_system_are_mozillas() {
        let mozilla = webpki_roots::TLS_SERVER_ROOTS.len();
        assert_eq!(roots(CertificateResult::default(), &[]).len(), mozilla);
    }
}
