//! The span of the TLS handshake.

use outbound_tests::certs::Certs;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt;

use crate::support::*;

#[tokio::test]
async fn tls_handshake_span_has_negotiated_attributes() {
    let rig = Rig::new();
    let certs = Certs::new("localhost");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(OK).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let outbound = rig.outbound();
    let client = outbound.client_builder().tls_config(certs.client_config(&[])).build();
    let response = client.oneshot(get(server.uri_with("https", "localhost", "/"))).await.unwrap();
    assert_eq!(response.status(), 200);

    let tls = rig.span("TLS client handshake localhost");
    let setup = rig.spans().into_iter().find(|span| span.name.starts_with("HTTP connection_setup")).unwrap();
    assert!(is_child(&tls, &setup));
    let cipher = attributes(&tls).remove("tls.cipher").unwrap();
    assert!(cipher.starts_with("TLS13_"), "{cipher}");
    assert_eq!(
        attributes(&tls),
        expected([
            ("server.address", "localhost"),
            ("tls.cipher", &cipher),
            ("tls.next_protocol", "http/1.1"),
            ("tls.protocol.name", "tls"),
            ("tls.protocol.version", "1.3"),
            ("tls.resumed", "false"),
        ])
    );
    let phases = rig.values("outbound.phase.duration");
    let (tls, _) = phases.iter().find(|(phase, _)| phase["outbound.phase"] == "tls").unwrap();
    assert_eq!((&*tls["tls.resumed"], &*tls["url.scheme"]), ("false", "https"));
    assert_eq!(rig.values("outbound.connection.opened")[0].0["network.protocol.version"], "1.1");
}

#[tokio::test]
async fn tls_untrusted_certificate_fails_handshake_setup_and_attempt() {
    let rig = Rig::new();
    let script = Script::new().tls(Certs::new("localhost").server_config(&[])).read_request();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let trusted = Certs::new("localhost");
    let client = rig.outbound().client_builder().tls_config(trusted.client_config(&[])).build();
    assert!(client.oneshot(get(server.uri_with("https", "localhost", "/"))).await.is_err());
    let port = server.address().unwrap().port();
    for name in ["GET", "TLS client handshake localhost", &format!("HTTP connection_setup localhost:{port}")]
    {
        let span = rig.span(name);
        assert_eq!(attributes(&span)["error.type"], "secure_connection_error", "{name}");
    }
    let attempt = attributes(&rig.span("GET"));
    assert_eq!((&*attempt["outbound.phase"], &*attempt["outbound.send_state"]), ("tls", "not_sent"));
    assert_eq!(
        attributes(&rig.span("TLS client handshake localhost"))["outbound.tls.alert"],
        "decrypt_error"
    );
}
