//! Faults of the TLS handshake.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::certs::Certs;
use crate::gate::Gate;
use crate::server::Script;

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

/// A server and the configuration of a client whose handshake fails, or ends in time.
#[derive(Debug)]
pub struct Handshake {
    /// What the server does.
    pub script: Script,
    /// What the client trusts.
    pub client: ClientConfig,
    /// `http` where the client does not know that the server speaks TLS.
    pub scheme: &'static str,
}

/// The fault of this name, if it is one of the handshake. The server opens the gate when it has read the beginning
/// of a handshake that it does not answer.
///
/// # Panics
/// If the provider of cryptography does not know a version of TLS.
#[must_use]
pub fn handshake(slug: &str, http2: bool, gate: &Gate) -> Option<Handshake> {
    let certs = Certs::new("peer.test");
    let accepts = |certs: &Certs| Script::new().tls(certs.server_config(alpn(http2))).read_to_end();
    let script = match slug {
        "certificate-expired" => return Some(refused(&Certs::expired("peer.test"), http2)),
        "certificate-wrong-host" => return Some(refused(&Certs::only_for("peer.test"), http2)),
        "certificate-untrusted" => accepts(&Certs::new("peer.test")),
        "client-certificate-refused-tls12" => return Some(without_certificate(&TLS12, http2)),
        "client-certificate-refused-tls13" => return Some(without_certificate(&TLS13, http2)),
        "alpn-mismatch" => Script::new().tls(certs.server_config(alpn(!http2))).read_to_end(),
        "tls-on-http-port" => Script::new().read_exact(5).write(BAD_REQUEST).read_to_end(),
        "reset-at-accept" => Script::new().reset(),
        "fin-amid-handshake" => Script::new().shutdown().read_to_end(),
        "tls-stalled" | "cancelled-in-tls" => Script::new().read_exact(5).open(gate).read_to_end(),
        "http-on-tls-port" => {
            let (script, client) = (accepts(&certs), certs.client_config(&[]));
            return Some(Handshake { script, client, scheme: "http" });
        }
        _ => return None,
    };
    Some(Handshake { script, client: certs.client_config(&[]), scheme: "https" })
}

fn alpn(http2: bool) -> &'static [&'static str] {
    if http2 { &["h2"] } else { &["http/1.1"] }
}

/// A server with a certificate that is refused although its authority is trusted.
fn refused(certs: &Certs, http2: bool) -> Handshake {
    let script = Script::new().tls(certs.server_config(alpn(http2))).read_to_end();
    Handshake { script, client: certs.client_config(&[]), scheme: "https" }
}

/// A server that asks for a client certificate, and a client that has none.
fn without_certificate(version: &'static SupportedProtocolVersion, http2: bool) -> Handshake {
    let (certs, clients) = (Certs::new("peer.test"), Certs::new("client.test"));
    let script = Script::new().tls(certs.server_config_asking_for(&clients, alpn(http2))).read_to_end();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("ring knows both versions")
        .with_root_certificates(certs.roots())
        .with_no_client_auth();
    Handshake { script, client, scheme: "https" }
}
