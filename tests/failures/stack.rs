//! Failures of requests through all layers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use outbound_tests::certs::Certs;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::connect::{PhaseLayer, ResolveError};
use tower_outbound::failure::{CertificateProblem, DnsFailure};
use tower_outbound::limit::InFlightLimit;
use tower_outbound::observe::{Observe, ObserveRequestBody};
use tower_outbound::{BoxError, Class, Error, Failure, Kind, Outbound, Phase};

use crate::pipe::all_idle;

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Stack<C> = Observe<InFlightLimit<Client<C, ObserveRequestBody<Body>>>>;

pub(crate) fn stack<C: Connect + Clone>(outbound: &Outbound, connector: C, http2: bool) -> Stack<C> {
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .retry_canceled_requests(false)
        .http2_only(http2)
        .build(connector);
    outbound.attempt_layer().layer(client)
}

pub(crate) fn get(uri: &Uri) -> http::Request<Body> {
    http::Request::get(uri).body(Empty::new().map_err(|never| match never {}).boxed_unsync()).unwrap()
}

/// The error of an attempt, before the response's head or in its body.
pub(crate) async fn error_of<C>(stack: Stack<C>, request: http::Request<Body>) -> Error
where
    C: Connect + Clone + Send + Sync + 'static,
{
    match stack.oneshot(request).await {
        Err(error) => error,
        Ok(response) => response.into_body().collect().await.map(drop).expect_err("the body fails"),
    }
}

/// The error of a GET over plain TCP.
pub(crate) async fn failing(uri: &Uri) -> Error {
    let outbound = Outbound::new();
    error_of(stack(&outbound, outbound.connector(outbound.http_connector()), false), get(uri)).await
}

async fn over_tls(server: Arc<rustls::ServerConfig>, certs: &Certs, host: &str, alpn: &[&str]) -> Error {
    let script = Script::new().tls(server).read_to_end();
    let peer = ScriptedServer::tcp(script).await.unwrap();
    let outbound = Outbound::new();
    let builder =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(certs.client_config(&[])).https_only();
    let http2 = alpn == ["h2"];
    let tcp = outbound.http_connector();
    let https = if http2 {
        builder.enable_http2().wrap_connector(tcp)
    } else {
        builder.enable_http1().wrap_connector(tcp)
    };
    let uri = peer.uri_with("https", host, "/");
    error_of(stack(&outbound, outbound.connector(https), http2), get(&uri)).await
}

/// The error of a GET over TLS. The client trusts the authority of the certificates.
pub(crate) async fn tls_error(certs: &Certs, host: &str, alpn: &[&str]) -> Error {
    over_tls(certs.server_config(alpn), certs, host, alpn).await
}

#[tokio::test]
async fn failure_of_cut_response_distinguishes_peer_and_phase() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    for (script, kind, phase) in [
        (Script::new().read_request().close(), Kind::ResponseEnded, Phase::Wait),
        (Script::new().read_request().reset(), Kind::ConnectionReset, Phase::Wait),
        (Script::new().read_request().write("HTTP/1.1 20").close(), Kind::ResponseEnded, Phase::Head),
        (Script::new().read_request().write(head).close(), Kind::ResponseEnded, Phase::Body),
        (Script::new().read_request().write("no http\r\n\r\n").hang(), Kind::InvalidResponse, Phase::Head),
    ] {
        let server = ScriptedServer::tcp(script).await.unwrap();
        let error = failing(&server.uri("/")).await;
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.phase()), (kind, Some(phase)), "{error:?}");
        assert!(!failure.is_connect());
    }
}

#[tokio::test]
async fn tls_certificate_problem_is_reported() {
    use CertificateProblem as Problem;
    let good = Certs::new("example.test");
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(stranger.signing_key.serialize_der()).unwrap();
    let stranger = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![stranger.cert.der().clone()], key)
        .unwrap();
    let cases = [
        (tls_error(&Certs::expired("example.test"), "localhost", &[]).await, Problem::Expired, 45),
        (tls_error(&Certs::only_for("example.test"), "localhost", &[]).await, Problem::WrongName, 42),
        (over_tls(Arc::new(stranger), &good, "localhost", &[]).await, Problem::UnknownIssuer, 48),
    ];
    for (error, problem, alert) in cases {
        let failure = error.failure();
        assert_eq!(
            (failure.kind(), failure.phase()),
            (Kind::SecureConnection, Some(Phase::Tls)),
            "{error:?}"
        );
        assert_eq!(failure.certificate(), Some(problem), "{error:?}");
        let sent = failure.tls_alert().unwrap();
        assert_eq!((sent.code(), sent.is_received()), (alert, false));
        assert!(failure.is_connect() && failure.is_tls());
    }
}

#[tokio::test]
async fn tls_alpn_mismatch_is_version_negotiation() {
    let certs = Certs::new("example.test");
    let error = over_tls(certs.server_config(&["http/1.1"]), &certs, "localhost", &["h2"]).await;
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::VersionNegotiation, Some(Phase::Tls)), "{error:?}");
    assert_eq!(failure.class(), Some(Class::Network));
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn asks_for_certificates(
    certs: &Certs,
    version: &'static rustls::SupportedProtocolVersion,
    alpn: &str,
) -> Arc<rustls::ServerConfig> {
    let provider = provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(certs.roots()), provider.clone());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certs.certificate_pem().as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(certs.key_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn tls_refused_client_certificate_is_secure_connection() {
    let certs = Certs::new("example.test");
    for (version, alpn) in [
        (&rustls::version::TLS12, "http/1.1"),
        (&rustls::version::TLS13, "http/1.1"),
        (&rustls::version::TLS12, "h2"),
        (&rustls::version::TLS13, "h2"),
    ] {
        let server = asks_for_certificates(&certs, version, alpn);
        let error = over_tls(server, &certs, "localhost", &[alpn]).await;
        let failure = error.failure();
        assert_eq!(failure.kind(), Kind::SecureConnection, "{version:?} {alpn}: {error:?}");
        // In TLS 1.3 the client's handshake ends before the peer verifies the client certificate.
        let phase =
            if version.version == rustls::ProtocolVersion::TLSv1_2 { Phase::Tls } else { Phase::Wait };
        assert_eq!(failure.phase(), Some(phase), "{version:?} {alpn}");
        // Also where h2 converts the IO error to text.
        let alert = failure.tls_alert().map(tower_outbound::failure::TlsAlert::as_str);
        assert_eq!(alert, Some("certificate_required"), "{version:?} {alpn}");
    }
}

#[tokio::test]
async fn tls_handshake_with_http_peer_fails_in_phase_tls() {
    let certs = Certs::new("example.test");
    let script = Script::new().write("HTTP/1.1 400 Bad Request\r\n\r\n").read_to_end();
    let peer = ScriptedServer::tcp(script).await.unwrap();
    let outbound = Outbound::new();
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_http1()
        .wrap_connector(outbound.http_connector());
    let uri = peer.uri_with("https", "localhost", "/");
    let error = error_of(stack(&outbound, outbound.connector(https), false), get(&uri)).await;
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::SecureConnection, Some(Phase::Tls)), "{error:?}");
}

#[tokio::test]
async fn dns_failure_of_custom_resolver_reaches_caller() {
    let resolver = service_fn(|_: hyper_util::client::legacy::connect::dns::Name| async {
        Err::<std::vec::IntoIter<std::net::SocketAddr>, _>(ResolveError::new(DnsFailure::TryAgain))
    });
    let tcp = PhaseLayer::tcp().layer(HttpConnector::new_with_resolver(PhaseLayer::dns().layer(resolver)));
    let outbound = Outbound::new();
    let uri = "http://example.test/".parse().unwrap();
    let error = error_of(stack(&outbound, outbound.connector(tcp), false), get(&uri)).await;
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::NameResolution, Some(Phase::Dns)), "{error:?}");
    assert_eq!((failure.dns(), failure.class()), (Some(DnsFailure::TryAgain), Some(Class::Timeout)));
}

#[tokio::test(start_paused = true)]
async fn tower_timeout_is_classified_by_position() {
    let (_server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let uri: Uri = "http://example.test/".parse().unwrap();
    let limit = tower::timeout::TimeoutLayer::new(Duration::from_secs(1));

    // Around the connector: a connect timeout.
    let outbound = Outbound::new();
    let connector = limit.layer(peer.clone().delay(Duration::from_secs(60)));
    let connector = tower::ServiceBuilder::new().map_future(Box::pin).service(connector);
    let error = error_of(stack(&outbound, outbound.connector(connector), false), get(&uri)).await;
    assert_eq!(error.failure().kind(), Kind::ConnectTimeout, "{error:?}");
    assert!(error.failure().is_connect());

    // Around the client: a response timeout.
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(peer));
    let service = outbound.attempt_layer().layer(limit.layer(client));
    let error = service.oneshot(get(&uri)).await.map(drop).unwrap_err();
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseTimeout, Some(Phase::Wait)), "{error:?}");
    assert!(!failure.is_connect() && failure.is_timeout());
}

#[tokio::test]
async fn failing_request_body_is_request_body_despite_its_cause() {
    let other = failing(&format!("http://{}/", closed_port().unwrap()).parse().unwrap()).await;
    assert_eq!(other.failure().kind(), Kind::ConnectionRefused);
    for error in [BoxError::from(other), io::Error::from(io::ErrorKind::ConnectionReset).into()] {
        let server = ScriptedServer::tcp(Script::new().read_to_end()).await.unwrap();
        let outbound = Outbound::new();
        let body = StreamBody::new(futures_util::stream::once(std::future::ready(Err(error)))).boxed_unsync();
        let request = http::Request::post(server.uri("/")).body(body).unwrap();
        let connector = outbound.connector(outbound.http_connector());
        let error = error_of(stack(&outbound, connector, false), request).await;
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.class()), (Kind::RequestBody, None), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn peer_close_during_reuse_is_response_ended() {
    let answer = Script::new().read_request().write("HTTP/1.1 204 No Content\r\n\r\n");
    let (server, peer) = ScriptedServer::duplex(answer.read_exact(1).close());
    let outbound = Outbound::new();
    let stack = stack(&outbound, outbound.connector(peer), false);
    let uri: Uri = "http://example.test/".parse().unwrap();
    stack.clone().oneshot(get(&uri)).await.unwrap().into_body().collect().await.unwrap();
    let error = error_of(stack, get(&uri)).await;
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseEnded, Some(Phase::Wait)), "{error:?}");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelled_connect_fails_waiters_as_connection_aborted() {
    let (_server, peer) = ScriptedServer::duplex(Script::new().hang());
    let outbound = Outbound::new();
    let stack = stack(&outbound, outbound.connector(peer.delay(Duration::from_secs(60))), true);
    let uri: Uri = "http://example.test/".parse().unwrap();
    let opener = tokio::spawn(stack.clone().oneshot(get(&uri)));
    all_idle().await;
    let waiting: Vec<_> = (0..9).map(|_| tokio::spawn(stack.clone().oneshot(get(&uri)))).collect();
    all_idle().await;
    opener.abort();
    for waiting in waiting {
        let error = waiting.await.unwrap().map(drop).unwrap_err();
        let failure: &Failure = error.failure();
        assert_eq!(failure.kind(), Kind::ConnectionAborted, "{error:?}");
        assert_eq!(failure.phase(), Some(Phase::Acquire));
    }
}
