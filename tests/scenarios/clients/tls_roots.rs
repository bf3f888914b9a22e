//! Root certificates that cannot be read are a warning, and no others are trusted instead.

use std::process::Command;

use rustls::pki_types::CertificateDer;
use tower_outbound::Outbound;

const NAME: &str = "clients::tls_roots::tls_roots_unreadable_are_named_in_log";
/// Set in the second run of the test.
const CHILD: &str = "OUTBOUND_TESTS_TLS_ROOTS";

/// The environment names the roots, so the test runs a second time in a process of its own.
#[test]
fn tls_roots_unreadable_are_named_in_log() {
    if std::env::var_os(CHILD).is_some() {
        tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stdout).init();
        let broken = CertificateDer::from(vec![1, 2, 3]);
        let client = Outbound::new().client_builder().add_root_certificate(broken).build();
        return drop(client);
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", NAME, "--nocapture"]).env(CHILD, "1");
    again.env("SSL_CERT_FILE", "/missing/roots.pem").env("SSL_CERT_DIR", "/missing/roots.d");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = String::from_utf8(output.stdout).unwrap();
    let warned: Vec<_> = log.lines().filter(|line| line.contains(" WARN tower_outbound: ")).collect();
    assert_eq!(warned.len(), 2, "{log}");
    for named in ["SSL_CERT_FILE=\"/missing/roots.pem\"", "SSL_CERT_DIR=\"/missing/roots.d\"", "trusted=0"] {
        assert!(warned[0].contains(named), "{log}");
    }
    assert!(warned[1].contains("`add_root_certificate`, call 1"), "{log}");
}
