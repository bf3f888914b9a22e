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
