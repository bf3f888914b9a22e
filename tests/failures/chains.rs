//! Classification of error chains as other crates return them.

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Full, Limited};
use outbound_tests::server::closed_port;
use rustls::{AlertDescription, CertificateError};
use tower::{Service as _, ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::connect::{PhaseLayer, ResolveError};
use tower_outbound::failure::{CertificateProblem, DnsFailure};
use tower_outbound::{BoxError, Class, Failure, Kind, Phase};

/// The error as this phase of a connect returns it.
pub(crate) fn failed_in(stage: &PhaseLayer, error: BoxError) -> BoxError {
    let mut error = Some(error);
    let mut stage = stage.layer(service_fn(move |()| ready(Err::<(), _>(error.take().unwrap()))));
    stage.call(()).now_or_never().unwrap().unwrap_err()
}

fn tls(error: rustls::Error) -> BoxError {
    failed_in(&PhaseLayer::tls(), io::Error::new(io::ErrorKind::InvalidData, error).into())
}

fn elapsed() -> tower::timeout::error::Elapsed {
    tower::timeout::error::Elapsed::new()
}

#[test]
#[cfg(target_os = "linux")]
fn failure_of_system_error_has_kind_and_os_error() {
    for (number, kind) in [
        (111, Kind::ConnectionRefused),  // ECONNREFUSED
        (104, Kind::ConnectionReset),    // ECONNRESET
        (32, Kind::ConnectionReset),     // EPIPE
        (107, Kind::ConnectionReset),    // ENOTCONN
        (103, Kind::ConnectionAborted),  // ECONNABORTED
        (113, Kind::HostUnreachable),    // EHOSTUNREACH
        (101, Kind::NetworkUnreachable), // ENETUNREACH
        (100, Kind::NetworkUnreachable), // ENETDOWN
        (99, Kind::AddressNotAvailable), // EADDRNOTAVAIL
        (98, Kind::AddressNotAvailable), // EADDRINUSE
        (24, Kind::TooManyOpenSockets),  // EMFILE
        (23, Kind::TooManyOpenSockets),  // ENFILE
        (13, Kind::AccessDenied),        // EACCES
        (1, Kind::AccessDenied),         // EPERM
        (110, Kind::ConnectTimeout),     // ETIMEDOUT
        (97, Kind::Connection),          // EAFNOSUPPORT
    ] {
        let error = failed_in(&PhaseLayer::tcp(), io::Error::from_raw_os_error(number).into());
        let failure = Failure::of(&*error);
        assert_eq!((failure.kind(), failure.os_error()), (kind, Some(number)), "{error:?}");
        assert_eq!(failure.phase(), Some(Phase::Tcp));
        assert!(failure.is_connect());
    }
}

#[test]
fn failure_of_vague_error_is_classified_by_stage() {
    let other = || BoxError::from("what");
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused).into();
    let eof = || io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof").into();
    for (stage, error, kind, class) in [
        (PhaseLayer::dns(), other(), Kind::NameResolution, Class::Network),
        (PhaseLayer::dns(), refused(), Kind::ConnectionRefused, Class::ConnectionRefused),
        (PhaseLayer::dns(), elapsed().into(), Kind::NameResolution, Class::Timeout),
        (PhaseLayer::tcp(), other(), Kind::Connection, Class::Network),
        (PhaseLayer::tcp(), elapsed().into(), Kind::ConnectTimeout, Class::Timeout),
        (PhaseLayer::tunnel(), other(), Kind::ProxyTunnel, Class::Network),
        (PhaseLayer::tunnel(), elapsed().into(), Kind::ConnectTimeout, Class::Timeout),
        (PhaseLayer::tls(), other(), Kind::SecureConnection, Class::Network),
        (PhaseLayer::tls(), eof(), Kind::SecureConnection, Class::Network),
        (PhaseLayer::tls(), elapsed().into(), Kind::TlsTimeout, Class::Timeout),
        (PhaseLayer::tls(), refused(), Kind::ConnectionRefused, Class::ConnectionRefused),
    ] {
        let what = format!("{error:?} in {stage:?}");
        let failure = Failure::of(&*failed_in(&stage, error));
        assert_eq!((failure.kind(), failure.class()), (kind, Some(class)), "{what}");
        assert!(failure.is_connect());
        assert_eq!(failure.is_timeout(), class == Class::Timeout);
        assert_eq!(failure.is_dns(), kind == Kind::NameResolution);
    }
}

#[test]
fn dns_failure_of_resolver_is_reported() {
    for (dns, name, class) in [
        (DnsFailure::HostNotFound, "host_not_found", Class::Network),
        (DnsFailure::TryAgain, "try_again", Class::Timeout),
        (DnsFailure::NoRecovery, "no_recovery", Class::Network),
        (DnsFailure::AddressFamilyNotSupported, "address_family_not_supported", Class::Network),
    ] {
        let error = ResolveError::new(dns).with_source(io::Error::from(io::ErrorKind::ConnectionReset));
        // With and without a phase around the error.
        for error in
            [io::Error::other(error).into(), failed_in(&PhaseLayer::dns(), ResolveError::new(dns).into())]
        {
            let error: BoxError = error;
            let failure = Failure::of(&*error);
            assert_eq!((failure.kind(), failure.dns()), (Kind::NameResolution, Some(dns)));
            assert_eq!(failure.dns().unwrap().as_str(), name);
            assert_eq!((failure.class(), failure.phase()), (Some(class), Some(Phase::Dns)));
        }
    }
    let error = failed_in(&PhaseLayer::dns(), "failed to lookup address information".into());
    assert_eq!(Failure::of(&*error).dns(), None, "the error has no resolver status");
}

#[test]
fn tls_failure_reports_alert_and_certificate_problem() {
    use CertificateProblem as Problem;
    let received = rustls::Error::AlertReceived;
    let refused = rustls::Error::InvalidCertificate;
    let cases = [
        (received(AlertDescription::HandshakeFailure), Some((40, "handshake_failure", true)), None),
        (received(AlertDescription::UnknownCA), Some((48, "unknown_ca", true)), None),
        (received(AlertDescription::CertificateRequired), Some((116, "certificate_required", true)), None),
        (received(AlertDescription::Unknown(200)), Some((200, "unknown", true)), None),
        (
            refused(CertificateError::Expired),
            Some((45, "certificate_expired", false)),
            Some(Problem::Expired),
        ),
        (
            refused(CertificateError::NotValidYet),
            Some((45, "certificate_expired", false)),
            Some(Problem::NotYetValid),
        ),
        (
            refused(CertificateError::NotValidForName),
            Some((42, "bad_certificate", false)),
            Some(Problem::WrongName),
        ),
        (
            refused(CertificateError::UnknownIssuer),
            Some((48, "unknown_ca", false)),
            Some(Problem::UnknownIssuer),
        ),
        (
            refused(CertificateError::Revoked),
            Some((44, "certificate_revoked", false)),
            Some(Problem::Revoked),
        ),
        (refused(CertificateError::BadSignature), Some((51, "decrypt_error", false)), Some(Problem::Other)),
        (rustls::Error::DecryptError, None, None),
    ];
    for (error, alert, certificate) in cases {
        let what = error.to_string();
        let failure = Failure::of(&*tls(error));
        assert_eq!((failure.kind(), failure.phase()), (Kind::SecureConnection, Some(Phase::Tls)), "{what}");
        let found = failure.tls_alert().map(|alert| (alert.code(), alert.as_str(), alert.is_received()));
        assert_eq!((found, failure.certificate()), (alert, certificate), "{what}");
        assert!(failure.is_tls() && failure.is_connect());
    }
}

#[test]
fn tls_alert_of_refused_certificate_matches_rustls() {
    for error in [
        CertificateError::BadEncoding,
        CertificateError::Expired,
        CertificateError::NotValidYet,
        CertificateError::Revoked,
        CertificateError::UnhandledCriticalExtension,
        CertificateError::UnknownIssuer,
        CertificateError::UnknownRevocationStatus,
        CertificateError::ExpiredRevocationList,
        CertificateError::BadSignature,
        CertificateError::NotValidForName,
        CertificateError::InvalidPurpose,
        CertificateError::InvalidOcspResponse,
        CertificateError::ApplicationVerificationFailure,
        CertificateError::Other(rustls::OtherError(Arc::new(io::Error::other("the verifier's reason")))),
    ] {
        let failure = Failure::of(&rustls::Error::InvalidCertificate(error.clone()));
        let sent = u8::from(AlertDescription::from(error.clone()));
        assert_eq!(failure.tls_alert().unwrap().code(), sent, "{error:?}");
    }
}

#[test]
fn tls_alert_no_application_protocol_is_version_negotiation() {
    let error = tls(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol));
    let failure = Failure::of(&*error);
    assert_eq!((failure.kind(), failure.phase()), (Kind::VersionNegotiation, Some(Phase::Tls)));
    assert_eq!(failure.tls_alert().unwrap().as_str(), "no_application_protocol");
}

#[test]
fn failure_of_tower_error_is_classified() {
    assert_eq!(Failure::of(&elapsed()).kind(), Kind::ResponseTimeout);
    let shed = Failure::of(&tower::load_shed::error::Overloaded::new());
    assert_eq!((shed.kind(), shed.class()), (Kind::QueueFull, None));
}

#[tokio::test]
async fn failure_of_tower_buffer_error_is_inner_failure() {
    let refused = || ready(Err::<(), _>(BoxError::from(io::Error::from(io::ErrorKind::ConnectionRefused))));
    let (mut buffer, worker) = tower::buffer::Buffer::pair(service_fn(move |()| refused()), 1);
    let worker = tokio::spawn(worker);
    let error = buffer.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(Failure::of(&*error).kind(), Kind::ConnectionRefused);
    worker.abort();
    let _ = worker.await;
    let closed = buffer.ready().await.map(drop).unwrap_err();
    assert_eq!(Failure::of(&*closed).kind(), Kind::Other, "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn failure_of_tokio_error_is_classified() {
    let elapsed = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(Failure::of(&elapsed).kind(), Kind::ResponseTimeout);
    let elapsed: io::Error = elapsed.into();
    assert_eq!(Failure::of(&elapsed).kind(), Kind::ResponseTimeout);

    let cancelled = tokio::spawn(std::future::pending::<()>());
    cancelled.abort();
    for task in [cancelled, tokio::spawn(async { panic!("a task's panic") })] {
        let error = task.await.unwrap_err();
        assert_eq!(Failure::of(&error).kind(), Kind::Other);
        let error = failed_in(&PhaseLayer::dns(), error.into());
        assert_eq!(Failure::of(&*error).kind(), Kind::NameResolution, "the resolver's task failed");
    }
}

#[tokio::test(start_paused = true)]
async fn failure_of_body_limit_or_timeout_is_distinguished() {
    let body = Limited::new(Full::<Bytes>::from("more than four"), 4);
    let error = body.collect().await.map(drop).unwrap_err();
    assert_eq!(Failure::of(&*error).kind(), Kind::LimitExceeded);

    let stuck = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<Bytes>, io::Error>,
    >());
    let error = tower_http::timeout::TimeoutBody::new(Duration::from_secs(1), stuck);
    let error = Box::pin(error).collect().await.map(drop).unwrap_err();
    assert_eq!(Failure::of(&*error).kind(), Kind::BodyTimeout);
}

#[test]
fn failure_of_grpc_status_depends_on_source() {
    let answer = Failure::of(&tonic::Status::not_found("no such thing"));
    assert_eq!((answer.kind(), answer.class(), answer.grpc_code()), (Kind::Other, None, Some(5)));

    let made = |source: BoxError| {
        let mut status = tonic::Status::unavailable("tonic's message");
        status.set_source(Arc::from(source));
        Failure::of(&status)
    };
    let refused = made(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    assert_eq!((refused.kind(), refused.grpc_code()), (Kind::ConnectionRefused, Some(14)));
    let unknown = made("what".into());
    assert_eq!((unknown.kind(), unknown.class()), (Kind::Other, None));
    assert_eq!(made(tonic::TimeoutExpired(()).into()).kind(), Kind::DeadlineExceeded);
    let connect = made(tonic::ConnectError("what".into()).into());
    assert_eq!((connect.kind(), connect.is_connect()), (Kind::Connection, true));
}

#[tokio::test]
async fn failure_of_grpc_connect_error_reports_cause() {
    let uri = format!("http://{}", closed_port().unwrap());
    let endpoint = tonic::transport::Endpoint::from_shared(uri).unwrap();
    let failure = Failure::of(&endpoint.connect().await.unwrap_err());
    assert_eq!((failure.kind(), failure.os_error()), (Kind::ConnectionRefused, Some(111)));
    assert!(failure.is_connect());
    let invalid = tonic::transport::Endpoint::from_shared("not a uri").unwrap_err();
    assert_eq!(Failure::of(&invalid).kind(), Kind::Other, "tonic's error has no source to classify");
}

#[tokio::test]
async fn failure_of_reqwest_error_is_classified() {
    let client = reqwest_builder().build().unwrap();
    let send = |uri: String| {
        let client = client.clone();
        async move { client.get(uri).send().await.unwrap_err() }
    };
    let refused = Failure::of(&send(format!("http://{}/", closed_port().unwrap())).await);
    assert_eq!((refused.kind(), refused.is_connect()), (Kind::ConnectionRefused, true));
    assert_eq!(refused.os_error(), Some(111));
    let invalid = Failure::of(&send("ftp://example.test/".to_owned()).await);
    assert_eq!((invalid.kind(), invalid.class()), (Kind::InvalidRequest, None));
    let client = reqwest_builder().dns_resolver(Nameless).build().unwrap();
    let unknown = client.get("http://example.test/").send().await.unwrap_err();
    let failure = Failure::of(&unknown);
    assert_eq!((failure.kind(), failure.phase()), (Kind::NameResolution, Some(Phase::Dns)), "{unknown:?}");

    let response = http::Response::builder().status(503).body("").unwrap();
    let status = reqwest::Response::from(response).error_for_status().unwrap_err();
    let failure = Failure::of(&status);
    assert_eq!((failure.kind(), failure.class()), (Kind::Other, None));
    assert_eq!(failure.status(), Some(http::StatusCode::SERVICE_UNAVAILABLE));
}

fn reqwest_builder() -> reqwest::ClientBuilder {
    let tls = outbound_tests::certs::Certs::new("example.test").client_config(&[]);
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}

/// A resolver that fails for every name.
struct Nameless;

impl reqwest::dns::Resolve for Nameless {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(ready(Err("no such name".into())))
    }
}

/// A resolver that never completes, so only timeouts end the request.
struct Stalled;

impl reqwest::dns::Resolve for Stalled {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn failure_of_reqwest_timeout_is_classified() {
    let limit = Duration::from_secs(1);
    let send = async |builder: reqwest::ClientBuilder| {
        let client = builder.dns_resolver(Stalled).build().unwrap();
        Failure::of(&client.get("http://example.test/").send().await.unwrap_err())
    };
    let total = send(reqwest_builder().timeout(limit)).await;
    assert_eq!((total.kind(), total.is_timeout()), (Kind::ResponseTimeout, true));
    let connect = send(reqwest_builder().connect_timeout(limit)).await;
    assert_eq!((connect.kind(), connect.is_connect()), (Kind::ConnectTimeout, true));
}
