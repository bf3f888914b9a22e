//! Errors of rustls are known with and without the crate's feature `rustls`.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerMisbehaved};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_outbound::failure::CertificateProblem;
use tower_outbound::{Failure, Kind, Outbound};

/// As tokio-rustls passes it on.
fn in_io(error: impl Into<Box<dyn StdError + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn failure(error: Error) -> Failure {
    Failure::of(&in_io(error))
}

#[test]
fn tls_refused_certificate_is_known_with_its_problem_and_alert() {
    use CertificateProblem as Problem;
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(7));
    let name = ServerName::try_from("a-host-with-quite-a-long-name.example.com").unwrap();
    for (error, problem, alert) in [
        (CertificateError::Expired, Problem::Expired, "certificate_expired"),
        (CertificateError::ExpiredContext { time, not_after: time }, Problem::Expired, "certificate_expired"),
        (CertificateError::NotValidYet, Problem::NotYetValid, "certificate_expired"),
        (
            CertificateError::NotValidYetContext { time, not_before: time },
            Problem::NotYetValid,
            "certificate_expired",
        ),
        (CertificateError::NotValidForName, Problem::WrongName, "bad_certificate"),
        (
            CertificateError::NotValidForNameContext { expected: name, presented: vec!["é".repeat(90)] },
            Problem::WrongName,
            "bad_certificate",
        ),
        (CertificateError::UnknownIssuer, Problem::UnknownIssuer, "unknown_ca"),
        (CertificateError::Revoked, Problem::Revoked, "certificate_revoked"),
        (CertificateError::UnknownRevocationStatus, Problem::Other, "unknown_ca"),
        (CertificateError::ExpiredRevocationList, Problem::Other, "unknown_ca"),
        (
            CertificateError::ExpiredRevocationListContext { time, next_update: time },
            Problem::Other,
            "unknown_ca",
        ),
        (CertificateError::BadEncoding, Problem::Other, "bad_certificate"),
        (CertificateError::UnhandledCriticalExtension, Problem::Other, "bad_certificate"),
        (CertificateError::BadSignature, Problem::Other, "decrypt_error"),
        (CertificateError::InvalidPurpose, Problem::Other, "unsupported_certificate"),
        (CertificateError::InvalidOcspResponse, Problem::Other, "bad_certificate_status_response"),
        (CertificateError::ApplicationVerificationFailure, Problem::Other, "access_denied"),
    ] {
        let failure = failure(error.clone().into());
        assert_eq!(failure.kind(), Kind::SecureConnection, "{error:?}");
        assert_eq!(failure.certificate(), Some(problem), "{error:?}");
        let sent = failure.tls_alert().unwrap();
        assert_eq!((sent.as_str(), sent.is_received()), (alert, false), "{error:?}");
    }
    let missing = failure(Error::NoCertificatesPresented);
    assert_eq!(missing.certificate(), Some(Problem::Missing));
    assert_eq!(missing.tls_alert().unwrap().as_str(), "certificate_required");
}

#[test]
fn tls_received_alert_is_known_with_its_number() {
    for code in 0..=u8::MAX {
        let failure = failure(Error::AlertReceived(AlertDescription::from(code)));
        let kind = if code == 120 { Kind::VersionNegotiation } else { Kind::SecureConnection };
        assert_eq!(failure.kind(), kind, "{code}");
        let alert = failure.tls_alert().unwrap();
        assert_eq!((alert.code(), alert.is_received()), (code, true));
    }
}

#[test]
fn tls_other_error_is_known_by_its_kind() {
    let alpn = PeerMisbehaved::SelectedUnofferedApplicationProtocol;
    for (error, kind) in [
        (Error::NoApplicationProtocol, Kind::VersionNegotiation),
        (Error::PeerMisbehaved(alpn), Kind::VersionNegotiation),
        (
            Error::PeerMisbehaved(PeerMisbehaved::IllegalHelloRetryRequestWithNoChanges),
            Kind::SecureConnection,
        ),
        (Error::InvalidMessage(InvalidMessage::InvalidContentType), Kind::SecureConnection),
        (Error::DecryptError, Kind::SecureConnection),
    ] {
        let failure = failure(error.clone());
        assert_eq!(failure.kind(), kind, "{error:?}");
        assert_eq!((failure.certificate(), failure.tls_alert()), (None, None), "{error:?}");
    }
    let no_name = ServerName::try_from("no name").unwrap_err();
    assert_eq!(Failure::of(&in_io(no_name)).kind(), Kind::InvalidRequest);
    assert_eq!(Failure::of(&in_io("a message of somebody else")).kind(), Kind::Other);
}

#[tokio::test]
async fn tls_permanent_failure_is_never_retried() {
    for error in [
        Error::from(CertificateError::UnknownIssuer),
        Error::NoCertificatesPresented,
        Error::AlertReceived(AlertDescription::HandshakeFailure),
        Error::NoApplicationProtocol,
    ] {
        let outbound = Outbound::new();
        let connects = Arc::new(AtomicUsize::new(0));
        let (count, refused) = (connects.clone(), error.clone());
        let connector = service_fn(move |_: Uri| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<TokioIo<tokio::net::TcpStream>, _>(in_io(refused.clone())))
        });
        let client = Client::builder(TokioExecutor::new()).build(outbound.connector(connector));
        let service = outbound.layer().layer(client);
        let request = Request::get("https://localhost/").body(String::new()).unwrap();
        let failed = service.oneshot(request).await.unwrap_err();
        assert!(failed.failure().is_tls(), "{failed}");
        assert_eq!(connects.load(Ordering::Relaxed), 1, "{error}");
    }
}
