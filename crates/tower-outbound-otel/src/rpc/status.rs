//! The status of an RPC.

use http::StatusCode;
use tower_outbound::{Attempt, Kind, Outcome};

use crate::error_type::ErrorType;
use crate::semconv::is_error;

/// The names of gRPC's codes, by code.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
const OK: u8 = 0;
const CANCELLED: u8 = 1;
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

/// The status of an RPC: the server's, or the one that gRPC's documents assign to the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RpcStatus {
    code: u8,
    error: Option<ErrorType>,
}

impl RpcStatus {
    /// `None` if the attempt is not gRPC.
    pub(crate) fn of(attempt: &Attempt, outcome: &Outcome) -> Option<Self> {
        if !attempt.is_grpc() {
            return None;
        }
        let answered = attempt.grpc_status().and_then(|code| u8::try_from(code).ok());
        let refused = answered.filter(|code| *code != OK);
        let http = attempt.status().filter(|status| is_error(*status));
        let (code, error) = match (outcome, refused, http) {
            (Outcome::Failed(failure), ..) => {
                (code_of(failure.kind()), Some(ErrorType::Kind(failure.kind())))
            }
            (_, Some(code), _) => (code, Some(ErrorType::Name(name(code)))),
            (_, None, Some(status)) => (code_of_http(status), Some(ErrorType::Status(status))),
            // The caller's decision is not an error; HTTP spans are alike.
            (Outcome::Cancelled { .. }, ..) => (CANCELLED, None),
            _ if answered.is_some() => (OK, None),
            // A response without a status, or with an invalid one.
            _ => (UNKNOWN, Some(ErrorType::Name(name(UNKNOWN)))),
        };
        Some(Self { code, error })
    }

    /// The status on metrics: see [`ErrorType::bounded`].
    pub(crate) fn bounded(self) -> Self {
        Self { error: self.error.map(ErrorType::bounded), ..self }
    }

    /// The value of `rpc.response.status_code`.
    pub(crate) fn code(self) -> &'static str {
        name(self.code)
    }

    /// The value of `error.type`.
    pub(crate) fn error_type(self) -> Option<ErrorType> {
        self.error
    }
}

fn name(code: u8) -> &'static str {
    CODES.get(usize::from(code)).copied().unwrap_or("UNKNOWN")
}

/// Sources: gRPC's `statuscodes.md`, and `PROTOCOL-HTTP2.md` for HTTP/2 errors.
fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::DeadlineExceeded | Kind::WriteTimeout | Kind::ResponseTimeout | Kind::BodyTimeout => {
            DEADLINE_EXCEEDED
        }
        Kind::PoolTimeout | Kind::QueueFull | Kind::LimitExceeded => RESOURCE_EXHAUSTED,
        Kind::InvalidRequest
        | Kind::RequestBody
        | Kind::Protocol
        | Kind::InvalidResponse
        | Kind::StreamReset => INTERNAL,
        Kind::Other => UNKNOWN,
        _ => UNAVAILABLE,
    }
}

/// Source: gRPC's `http-grpc-status-mapping.md`.
fn code_of_http(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpc_status_code_exists_for_every_failure_kind() {
        for kind in Kind::ALL {
            assert!(code_of(*kind) > CANCELLED && usize::from(code_of(*kind)) < CODES.len(), "{kind}");
        }
        assert_eq!(code_of(Kind::ConnectionRefused), UNAVAILABLE);
    }
}
