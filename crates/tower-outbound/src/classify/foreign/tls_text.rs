//! rustls by its messages alone: without the feature `rustls`, and where h2 has turned an error of the IO into text.
//!
//! The messages are those of rustls 0.23; `tests/tls_errors.rs` compares them with the types.

use std::fmt::{self, Write as _};

use crate::classify::evidence::{Evidence, Level};
use crate::failure::{CertificateProblem, Detail, Kind, TlsAlert};

use CertificateProblem::{Expired, Missing, NotYetValid, Other, Revoked, UnknownIssuer, WrongName};

/// How the message of a `CertificateError` begins, and the alert that rustls sends for that error.
///
/// A longer beginning comes before its own prefix.
const REFUSED: [(&str, CertificateProblem, u8); 21] = [
    ("ExpiredRevocationList", Other, 48),
    ("certificate revocation list expired", Other, 48),
    ("UnknownRevocationStatus", Other, 48),
    ("Expired", Expired, 45),
    ("certificate expired", Expired, 45),
    ("NotValidYet", NotYetValid, 45),
    ("certificate not valid yet", NotYetValid, 45),
    ("NotValidForName", WrongName, 42),
    ("certificate not valid for name", WrongName, 42),
    ("UnknownIssuer", UnknownIssuer, 48),
    ("Revoked", Revoked, 44),
    ("BadEncoding", Other, 42),
    ("UnhandledCriticalExtension", Other, 42),
    ("BadSignature", Other, 51),
    ("UnsupportedSignatureAlgorithmContext", Other, 51),
    ("UnsupportedSignatureAlgorithmForPublicKeyContext", Other, 51),
    ("InvalidPurpose", Other, 43),
    ("certificate does not allow extended key usage", Other, 43),
    ("InvalidOcspResponse", Other, 113),
    ("ApplicationVerificationFailure", Other, 49),
    // Every other problem: `certificate_unknown`.
    ("", Other, 46),
];

/// How the message of every other error of a handshake begins.
const HANDSHAKE: [&str; 6] = [
    "received unexpected message: got ",
    "received unexpected handshake message: got ",
    "received corrupt message of type ",
    "peer is incompatible: ",
    "peer misbehaved: ",
    "cannot decrypt peer's message",
];

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    let mut head = Head::default();
    // An error means that the message is longer than the head.
    let _ = write!(head, "{error}");
    let message = head.as_str();
    if let Some(problem) = message.strip_prefix("invalid peer certificate: ") {
        evidence.exact(Kind::SecureConnection);
        evidence.detail(refused(problem));
    } else if let Some(name) = message.strip_prefix("received fatal alert: ") {
        let alert = TlsAlert::received(alert_code(name));
        let no_protocol = alert.code() == 120;
        evidence.exact(if no_protocol { Kind::VersionNegotiation } else { Kind::SecureConnection });
        evidence.detail(Detail::Alert(alert));
    } else if message == "peer sent no certificates" {
        evidence.exact(Kind::SecureConnection);
        evidence.detail(Detail::Certificate(Missing, TlsAlert::sent(116)));
    } else if message == "peer doesn't support any known protocol"
        || message == "peer misbehaved: SelectedUnofferedApplicationProtocol"
    {
        evidence.exact(Kind::VersionNegotiation);
    } else if HANDSHAKE.iter().any(|start| message.starts_with(start)) {
        evidence.exact(Kind::SecureConnection);
    } else if message == "invalid dns name" {
        evidence.definite(Kind::InvalidRequest);
    } else {
        return false;
    }
    true
}

fn refused(message: &str) -> Detail {
    let known = REFUSED.iter().find(|(start, ..)| message.starts_with(start));
    let (_, problem, alert) = known.copied().unwrap_or(("", Other, 46));
    Detail::Certificate(problem, TlsAlert::sent(alert))
}

/// The number of an alert from rustls's name for it: IANA's name in camel case, with two exceptions.
fn alert_code(name: &str) -> u8 {
    match name {
        "UnrecognisedName" => 112,
        "EncryptedClientHelloRequired" => 121,
        _ => match name.strip_prefix("AlertDescription(0x").and_then(|hex| hex.strip_suffix(')')) {
            Some(hex) => u8::from_str_radix(hex, 16).unwrap_or(u8::MAX),
            None => (0..u8::MAX).find(|code| is_name(*code, name)).unwrap_or(u8::MAX),
        },
    }
}

fn is_name(code: u8, name: &str) -> bool {
    let snake = TlsAlert::received(code).as_str();
    snake.bytes().filter(|byte| *byte != b'_').eq(name.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// The first bytes of a message, without an allocation.
struct Head {
    bytes: [u8; 96],
    len: usize,
}

impl Default for Head {
    fn default() -> Self {
        Self { bytes: [0; 96], len: 0 }
    }
}

impl Head {
    fn as_str(&self) -> &str {
        let bytes = &self.bytes[..self.len];
        // A character may be cut off at the end.
        std::str::from_utf8(bytes)
            .unwrap_or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default())
    }
}

impl fmt::Write for Head {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let free = &mut self.bytes[self.len..];
        let taken = part.len().min(free.len());
        free[..taken].copy_from_slice(&part.as_bytes()[..taken]);
        self.len += taken;
        if taken == part.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
