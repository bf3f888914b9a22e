//! rustls, also inside the errors of tokio-rustls and hyper-rustls.

use rustls::{AlertDescription, CertificateError, Error, PeerMisbehaved};

use crate::classify::evidence::{Evidence, Level};
use crate::failure::{CertificateProblem, Detail, Kind, TlsAlert};

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    if error.is::<rustls::pki_types::InvalidDnsNameError>() {
        // The host of the URI is not a valid name for a certificate.
        evidence.definite(Kind::InvalidRequest);
        return true;
    }
    let Some(error) = error.downcast_ref::<Error>() else { return false };
    evidence.exact(match error {
        Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::NoApplicationProtocol
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            Kind::VersionNegotiation
        }
        _ => Kind::SecureConnection,
    });
    match error {
        Error::AlertReceived(alert) => evidence.detail(Detail::Alert(TlsAlert::received(u8::from(*alert)))),
        Error::InvalidCertificate(error) => evidence.detail(refused(error)),
        Error::NoCertificatesPresented => {
            evidence.detail(certificate(CertificateProblem::Missing, AlertDescription::CertificateRequired));
        }
        _ => {}
    }
    true
}

/// The alert that rustls sends for the error. rustls converts the error by value, and a copy would allocate.
fn refused(error: &CertificateError) -> Detail {
    use CertificateProblem as Problem;
    let (problem, alert) = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (Problem::Expired, AlertDescription::CertificateExpired)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (Problem::NotYetValid, AlertDescription::CertificateExpired)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (Problem::WrongName, AlertDescription::BadCertificate)
        }
        CertificateError::UnknownIssuer => (Problem::UnknownIssuer, AlertDescription::UnknownCA),
        CertificateError::Revoked => (Problem::Revoked, AlertDescription::CertificateRevoked),
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            (Problem::Other, AlertDescription::UnknownCA)
        }
        CertificateError::BadEncoding | CertificateError::UnhandledCriticalExtension => {
            (Problem::Other, AlertDescription::BadCertificate)
        }
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            (Problem::Other, AlertDescription::DecryptError)
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            (Problem::Other, AlertDescription::UnsupportedCertificate)
        }
        CertificateError::InvalidOcspResponse => {
            (Problem::Other, AlertDescription::BadCertificateStatusResponse)
        }
        CertificateError::ApplicationVerificationFailure => (Problem::Other, AlertDescription::AccessDenied),
        _ => (Problem::Other, AlertDescription::CertificateUnknown),
    };
    certificate(problem, alert)
}

fn certificate(problem: CertificateProblem, alert: AlertDescription) -> Detail {
    Detail::Certificate(problem, TlsAlert::sent(u8::from(alert)))
}
