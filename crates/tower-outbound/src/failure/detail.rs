//! Details of some kinds of failures.

use std::fmt;

use crate::util::named_enum;

/// The detail of a failure; at most one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "tonic", feature = "reqwest")),
    expect(dead_code, reason = "some come from optional crates")
)]
pub(crate) enum Detail {
    #[default]
    None,
    Dns(DnsFailure),
    Alert(TlsAlert),
    /// The peer's certificate was rejected, with this alert.
    Certificate(CertificateProblem, TlsAlert),
    /// TLS is missing.
    NoTls,
    /// The client has lost the request.
    Lost,
    /// The request waited for a connection that others use.
    Queued,
    /// The client turned an HTTP response into an error.
    Status(u16),
    /// A proxy refused the tunnel with this status.
    ProxyStatus(u16),
    /// A gRPC status: the peer's answer, or one that the client made from another error.
    Grpc {
        code: i32,
        answered: bool,
    },
}

named_enum! {
    /// Why a name could not be resolved, if the resolver gives a reason.
    ///
    /// Source: the errors of `getaddrinfo`, named as in .NET.
    pub enum DnsFailure {
        /// The name does not exist or has no address.
        HostNotFound = "host_not_found",
        /// No name server answered in time. A later attempt may succeed.
        TryAgain = "try_again",
        /// A name server refused the query or sent an invalid response.
        NoRecovery = "no_recovery",
        /// The name has no address of the requested family.
        AddressFamilyNotSupported = "address_family_not_supported",
    }

    /// The value of `error.type` on `dns.lookup.duration`.
    pub const fn as_str(self);
}

/// An alert that ended a TLS connection (RFC 8446, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlsAlert {
    code: u8,
    received: bool,
}

impl TlsAlert {
    pub(crate) const fn received(code: u8) -> Self {
        Self { code, received: true }
    }

    pub(crate) const fn sent(code: u8) -> Self {
        Self { code, received: false }
    }

    /// The number of the alert on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.code
    }

    /// Whether the peer sent the alert; `false` for an alert of this side.
    #[must_use]
    pub const fn is_received(self) -> bool {
        self.received
    }

    /// The name of the alert in the IANA registry, in snake case; `unknown` for an unregistered number.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self.code {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            121 => "ech_required",
            _ => "unknown",
        }
    }
}

impl fmt::Display for TlsAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

named_enum! {
    /// Why this side rejected the peer's certificate.
    pub enum CertificateProblem {
        /// The certificate has expired.
        Expired = "expired",
        /// The certificate is not valid yet.
        NotYetValid = "not_yet_valid",
        /// The certificate is for other names.
        WrongName = "wrong_name",
        /// The issuer is not trusted.
        UnknownIssuer = "unknown_issuer",
        /// The certificate was revoked.
        Revoked = "revoked",
        /// The peer sent no certificate.
        Missing = "missing",
        /// Anything else: its encoding, signature, purpose, or a verifier's own reason.
        Other = "other",
    }

    /// The name, in snake case.
    pub const fn as_str(self);
}
