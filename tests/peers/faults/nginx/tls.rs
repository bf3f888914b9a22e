//! nginx's TLS, which is OpenSSL's.

use std::sync::Arc;
use std::time::Duration;

use outbound_tests::certs::Certs;
use outbound_tests::peers::{NGINX, Nginx};
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tower_outbound::SendState;
use tower_outbound::failure::CertificateProblem;

use super::super::caller::{Caller, Options, Reported};
use super::super::http::Http;
use super::{LONG, PEER, Pair, long, paused};
use outbound_tests::peers::checks::Check;

const SERVER: &str = "location / { return 200 'hello'; }";
const HANDSHAKE: Duration = Duration::from_millis(500);

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("certificate_expired", NGINX, expired),
        Check::new("certificate_for_another_host", NGINX, wrong_host),
        Check::new("certificate_not_trusted", NGINX, untrusted),
        Check::new("rejects_the_handshake_of_an_unknown_name", NGINX, unrecognized_name),
        Check::new("answers_400_without_a_client_certificate", NGINX, without_certificate),
        Check::new("does_not_offer_http2", NGINX, alpn),
        Check::new("gets_tls_on_its_plain_port", NGINX, tls_on_plain),
        Check::new("answers_400_to_plain_http_on_its_tls_port", NGINX, plain_on_tls),
        Check::new("paused_amid_the_handshake", NGINX, stalled),
    ]
}

/// Sends one request to a server with `certs`, and returns the report.
async fn refused(certs: &Certs, trusted: &ClientConfig, slug: &str, problem: CertificateProblem) {
    for http in Http::BOTH {
        let mut nginx = Nginx::config(SERVER).listen("http2").tls(certs).start().await.unwrap();
        let caller = Caller::new(http, Options::tls(trusted.clone()));
        let reported = caller.get(&uri(&nginx, "https")).await;
        reported.is(PEER, slug);
        let failure = reported.failure.as_ref().unwrap();
        assert_eq!(failure.certificate(), Some(problem));
        assert!(failure.is_tls() && failure.is_connect());
        unsent(&mut nginx, caller, &reported).await;
    }
}

/// The request is reported as not sent, and nginx's log is empty.
async fn unsent(nginx: &mut Nginx, caller: Caller, reported: &Reported) {
    assert_eq!(reported.send(), Some(SendState::NotSent), "{}", reported.line());
    caller.close().await;
    nginx.daemon().end().await.unwrap();
    reported.logged(nginx.log().iter().any(|access| access.request.contains("/tls")), false);
}

fn uri(nginx: &Nginx, scheme: &str) -> http::Uri {
    format!("{scheme}://{}/tls", nginx.address()).parse().unwrap()
}

async fn expired() {
    let certs = Certs::expired("nginx.test");
    refused(&certs, &certs.client_config(&[]), "certificate-expired", CertificateProblem::Expired).await;
}

async fn wrong_host() {
    let certs = Certs::only_for("nginx.test");
    refused(&certs, &certs.client_config(&[]), "certificate-wrong-host", CertificateProblem::WrongName).await;
}

async fn untrusted() {
    let certs = Certs::new("nginx.test");
    // With one name for both authorities rustls would find the issuer and reject the signature.
    let nobody = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    refused(&certs, &nobody, "certificate-untrusted", CertificateProblem::UnknownIssuer).await;
}

/// `ssl_reject_handshake`: the alert is `unrecognized_name`.
async fn unrecognized_name() {
    for http in Http::BOTH {
        let certs = Certs::new("nginx.test");
        let server = format!("ssl_reject_handshake on; {SERVER}");
        let mut nginx = Nginx::config(&server).listen("http2").tls(&certs).start().await.unwrap();
        let caller = Caller::new(http, Options::tls(certs.client_config(&[])));
        let reported = caller.get(&uri(&nginx, "https")).await;
        reported.has("secure_connection_error", "network_error", "tls");
        let alert = reported.failure.as_ref().unwrap().tls_alert().unwrap();
        assert_eq!((alert.as_str(), alert.is_received()), ("unrecognized_name", true));
        unsent(&mut nginx, caller, &reported).await;
    }
}

/// `ssl_verify_client on`: nginx completes the handshake and answers 400, which is not a failure.
async fn without_certificate() {
    for version in [&TLS12, &TLS13] {
        for http in Http::BOTH {
            let (certs, clients) = (Certs::new("nginx.test"), Certs::new("client.test"));
            let server = format!("ssl_client_certificate clients.pem; ssl_verify_client on; {SERVER}");
            let config = Nginx::config(&server).listen("http2").tls(&certs);
            let nginx = config.file("clients.pem", clients.authority_pem()).start().await.unwrap();
            let caller = Caller::new(http, Options::tls(client(&certs, version)));
            let reported = caller.get(&uri(&nginx, "https")).await;
            reported.has("ok", "–", "–");
            assert_eq!(reported.status, Some(400));
            caller.close().await;
        }
    }
}

/// A client with this TLS version only, and without a certificate.
fn client(certs: &Certs, version: &'static SupportedProtocolVersion) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(certs.roots())
        .with_no_client_auth()
}

/// nginx without `http2` offers HTTP/1.1 only.
async fn alpn() {
    let certs = Certs::new("nginx.test");
    let mut nginx = Nginx::config(SERVER).tls(&certs).start().await.unwrap();
    let caller = Caller::new(Http::Two, Options::tls(certs.client_config(&[])));
    let reported = caller.get(&uri(&nginx, "https")).await;
    reported.is(PEER, "alpn-mismatch");
    unsent(&mut nginx, caller, &reported).await;
}

async fn tls_on_plain() {
    for http in Http::BOTH {
        let certs = Certs::new("nginx.test");
        let mut nginx = Nginx::start(SERVER).await.unwrap();
        let caller = Caller::new(http, Options::tls(certs.client_config(&[])));
        let reported = caller.get(&uri(&nginx, "https")).await;
        reported.is(PEER, "tls-on-http-port");
        unsent(&mut nginx, caller, &reported).await;
    }
}

/// nginx answers plain HTTP on its TLS port with an HTTP/1 error, which is invalid on HTTP/2.
async fn plain_on_tls() {
    let certs = Certs::new("nginx.test");
    let nginx = Nginx::config(SERVER).listen("http2").tls(&certs).start().await.unwrap();
    let caller = Caller::plain(Http::One);
    let reported = caller.get(&uri(&nginx, "http")).await;
    reported.has("ok", "–", "–");
    assert_eq!(reported.status, Some(400));
    caller.close().await;

    let mut pair = Pair { nginx, caller: Caller::plain(Http::Two), scheme: "http" };
    let uri = pair.uri("/tls");
    let reported = paused(&mut pair, LONG, async |caller| long(caller, &uri).await).await;
    reported.is(PEER, "http-on-tls-port").is(PEER, "not-http");
    pair.caller.close().await;
}

/// The system accepts connections for a paused process, which writes nothing.
async fn stalled() {
    for http in Http::BOTH {
        let certs = Certs::new("nginx.test");
        let mut nginx = Nginx::config(SERVER).listen("http2").tls(&certs).start().await.unwrap();
        nginx.daemon().pause().await.unwrap();
        let options = Options { handshake: Some(HANDSHAKE), ..Options::tls(certs.client_config(&[])) };
        let caller = Caller::new(http, options);
        let reported = caller.get(&uri(&nginx, "https")).await;
        reported.is(PEER, "tls-stalled");
        unsent(&mut nginx, caller, &reported).await;
    }
}
