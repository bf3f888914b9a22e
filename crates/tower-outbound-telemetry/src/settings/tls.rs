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
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::super::testing::{lookup, otlp, resolve_with};
    use super::*;

    struct Files {
        dir: TempDir,
        certificates: [CertificateDer<'static>; 1],
    }

    /// `cert.pem`, `key.pem`, another's `other.pem`, and `text.txt`.
    fn files() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a.example".into()]).unwrap();
        let other = generate_simple_self_signed(["b.example".into()]).unwrap();
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        write("cert.pem", cert.pem());
        write("key.pem", signing_key.serialize_pem());
        write("other.pem", other.cert.pem());
        write("text.txt", "marker".into());
        let garbage = "-----BEGIN CERTIFICATE-----\nbWFya2Vy\n-----END CERTIFICATE-----\n";
        write("garbage.pem", garbage.into());
        Files { dir, certificates: [cert.der().clone()] }
    }

    impl Files {
        fn path(&self, name: &str) -> String {
            self.dir.path().join(name).to_str().unwrap().to_owned()
        }

        /// Values that name a file are made paths.
        fn resolve(&self, variables: &[(&'static str, &str)]) -> ([Tls; 2], Vec<String>) {
            let variables: Vec<_> = variables.iter().map(|(key, name)| (*key, self.path(name))).collect();
            let settings = resolve_with(lookup(variables));
            let dir = self.path("");
            let warnings = settings.warnings.iter().map(|warning| warning.to_string().replace(&dir, ""));
            let warnings = warnings.collect();
            let tls = [settings.traces, settings.metrics].map(|signal| signal.otlp.unwrap().tls);
            (tls, warnings)
        }
    }

    const ROOTS: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    const CERT: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
    const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

    #[test]
    fn tls_roots_client_certificate_and_key_are_read() {
        let files = files();
        let all = [(ROOTS, "cert.pem"), (CERT, "cert.pem"), (KEY, "key.pem")];
        let (tls, warnings) = files.resolve(&all);
        assert_eq!(warnings, Vec::<String>::new());
        let pem = std::fs::read(files.path("key.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
        for tls in &tls {
            assert_eq!(tls.roots.as_deref(), Some(files.certificates.as_slice()));
            let (chain, got) = tls.client.as_ref().unwrap();
            assert_eq!((chain.as_slice(), got), (files.certificates.as_slice(), &key));
        }
        assert_eq!(format!("{:?}", tls[0]), "Tls { roots: Some(1), client: Some(1) }");
    }

    #[test]
    fn tls_signal_file_wins_and_invalid_falls_back_to_general() {
        let files = files();
        let own = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE";
        let ([traces, metrics], warnings) = files.resolve(&[(ROOTS, "cert.pem"), (own, "other.pem")]);
        assert_eq!(warnings, Vec::<String>::new());
        assert_ne!(traces.roots, metrics.roots);
        assert_eq!(metrics.roots.unwrap(), files.certificates);
        let ([traces, _], warnings) = files.resolve(&[(ROOTS, "cert.pem"), (own, "text.txt")]);
        assert_eq!(traces.roots.unwrap(), files.certificates);
        let message = "\"text.txt\" cannot be used (no certificate in PEM), using cert.pem";
        assert_eq!(warnings, [format!("{own}: {message}")]);
    }

    #[test]
    fn tls_unusable_root_file_warns_once_and_uses_system_roots() {
        let files = files();
        for (name, reason) in [
            ("none.pem", "No such file or directory (os error 2)"),
            ("", "not a file"),
            ("text.txt", "no certificate in PEM"),
            ("key.pem", "no certificate in PEM"),
            ("garbage.pem", "no usable certificate"),
        ] {
            let (tls, warnings) = files.resolve(&[(ROOTS, name)]);
            assert!(tls.iter().all(|tls| tls.roots.is_none()));
            let message = format!("{ROOTS}: {name:?} cannot be used ({reason}), using the system's roots");
            assert_eq!(warnings, [message]);
        }
    }

    #[test]
    fn tls_certificate_or_key_alone_warns_with_missing_variable() {
        let files = files();
        let warning = |key: &str, name: &str, reason: &str| {
            format!("{key}: {name:?} cannot be used ({reason}), using no client certificate")
        };
        let with = |variables: &[(&'static str, &str)]| {
            let (tls, warnings) = files.resolve(variables);
            assert!(tls.iter().all(|tls| tls.client.is_none()));
            warnings
        };
        assert_eq!(with(&[(CERT, "cert.pem")]), [warning(CERT, "cert.pem", &format!("without {KEY}"))]);
        assert_eq!(with(&[(KEY, "key.pem")]), [warning(KEY, "key.pem", &format!("without {CERT}"))]);
        assert_eq!(
            with(&[(CERT, "cert.pem"), (KEY, "text.txt")]),
            [
                warning(KEY, "text.txt", "no private key in PEM"),
                warning(CERT, "cert.pem", &format!("{KEY} cannot be used"))
            ]
        );
    }

    #[test]
    fn tls_key_not_matching_certificate_warns() {
        for name in ["other.pem", "garbage.pem"] {
            let (tls, warnings) = files().resolve(&[(CERT, name), (KEY, "key.pem")]);
            assert!(tls.iter().all(|tls| tls.client.is_none()));
            assert_eq!(warnings.len(), 1);
            let start = format!("{CERT}: {name:?} cannot be used (with {KEY}: ");
            assert!(warnings[0].starts_with(&start), "{warnings:?}");
        }
    }

    #[test]
    fn tls_key_given_inline_is_not_shown_in_warning() {
        let key = "-----BEGIN PRIVATE KEY-----\nmarker\n-----END PRIVATE KEY-----";
        let settings = resolve_with(lookup(vec![(KEY, key.to_owned())]));
        assert_eq!(settings.warnings.len(), 1);
        assert_eq!((settings.warnings[0].key(), settings.warnings[0].value()), (KEY, "…"));
        assert!(!format!("{settings:?}").contains("marker"));
        assert!(otlp(&settings)[0].tls.client.is_none());
    }
}
