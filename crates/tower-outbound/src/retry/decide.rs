//! The rules: what the layer sends again by itself.

use std::time::{Duration, SystemTime};

use http::header::HeaderName;
use http::{HeaderMap, Method};

use super::retry_after::{Asked, pushback, retry_after};
use crate::event::ResponseHead;
use crate::failure::{Class, DnsFailure, Failure, Kind, Phase, SendState};
use crate::record::{RetryReason, Reuse, grpc};
use crate::settings::RetrySettings;
use crate::util::http::has_grpc_content_type;

/// Says that a peer processes requests with the same key once.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What an attempt has come to.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) result: Result<ResponseHead<'a>, &'a Failure>,
    pub(super) reuse: Reuse,
    /// By its method, or by a key.
    pub(super) idempotent: bool,
    /// How many attempts of the call the peer has said not to have processed.
    pub(super) not_processed: u32,
}

/// A retry that is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) reason: RetryReason,
    pub(super) cost: Cost,
    pub(super) wait: Wait,
}

/// Which budget it draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// The connections that were there bound it.
    Free,
    Connect,
    Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    AtOnce,
    Backoff,
    /// The peer has asked for it, or the user's policy.
    Asked(Duration),
    /// The peer has asked not to be tried again.
    Forbidden,
}

/// Whether such a failure may ever be followed by a retry, sent or not.
pub(super) fn is_permanent(failure: &Failure) -> bool {
    match failure.kind() {
        // Our own refusals.
        Kind::PoolTimeout | Kind::QueueFull | Kind::DeadlineExceeded => true,
        // The same certificate or version comes again; a handshake that was cut off may succeed.
        Kind::SecureConnection => {
            failure.certificate().is_some() || failure.tls_alert().is_some() || failure.lacks_tls()
        }
        Kind::VersionNegotiation => true,
        // The system's resolver does not tell a name that does not exist from a server that does not answer.
        Kind::NameResolution => {
            matches!(failure.dns(), Some(DnsFailure::HostNotFound | DnsFailure::NoRecovery))
        }
        // A timeout was over before there was a slot: there is none the next time either.
        _ if failure.phase() == Some(Phase::Queue) => true,
        Kind::UserAuthentication => true,
        Kind::InvalidRequest | Kind::RequestBody => true,
        _ => false,
    }
}

/// The rules that the settings turn on.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a>(pub(super) &'a RetrySettings);

impl Rules<'_> {
    /// What is to be done by the rules; `None` where the caller gets the result.
    pub(super) fn wanted(self, seen: Seen<'_>) -> Option<Wanted> {
        match seen.result {
            Ok(head) => self.by_head(head),
            Err(failure) => self.by_failure(failure, seen),
        }
    }

    fn by_failure(self, failure: &Failure, seen: Seen<'_>) -> Option<Wanted> {
        let wanted = |reason, cost, wait| Some(Wanted { reason, cost, wait });
        let reused = seen.reuse == Reuse::Reused;
        match failure.send_state()? {
            // The one that connected for others as well has left.
            SendState::NotSent if failure.is_connect() && failure.kind() == Kind::ConnectionAborted => {
                wanted(RetryReason::Connect, Cost::Free, Wait::AtOnce)
            }
            SendState::NotSent if failure.is_connect() => {
                wanted(RetryReason::Connect, Cost::Connect, Wait::Backoff)
            }
            SendState::NotSent if reused && failure.class() != Some(Class::Timeout) => {
                wanted(RetryReason::ReusedConnection, Cost::Free, Wait::AtOnce)
            }
            _ if self.0.connect_only => None,
            SendState::NotSent => wanted(RetryReason::NotSent, Cost::Request, Wait::Backoff),
            SendState::NotProcessed if seen.not_processed == 0 => {
                wanted(RetryReason::NotProcessed, Cost::Free, Wait::AtOnce)
            }
            SendState::NotProcessed => wanted(RetryReason::NotProcessed, Cost::Request, Wait::Backoff),
            SendState::Partial(_) | SendState::Sent | SendState::Unknown
                if self.0.idempotent && seen.idempotent && reused && is_dead(failure.kind()) =>
            {
                wanted(RetryReason::Idempotent, Cost::Request, Wait::AtOnce)
            }
            _ => None,
        }
    }

    fn by_head(self, head: ResponseHead<'_>) -> Option<Wanted> {
        let (reason, asked) = if self.0.statuses.contains(&head.status) {
            (RetryReason::Status, retry_after(head.headers, SystemTime::now))
        } else if self.0.grpc && is_unavailable(head.headers) {
            (RetryReason::GrpcStatus, pushback(head.headers))
        } else {
            return None;
        };
        let wait = match asked {
            Asked::Nothing => Wait::Backoff,
            Asked::Wait(wait) => Wait::Asked(wait),
            Asked::Never => Wait::Forbidden,
        };
        Some(Wanted { reason, cost: Cost::Request, wait })
    }
}

/// Whether the connection itself has died, and not a stream on it.
fn is_dead(kind: Kind) -> bool {
    matches!(kind, Kind::ConnectionReset | Kind::ConnectionAborted | Kind::ResponseEnded)
}

/// gRPC's UNAVAILABLE in a response of trailers only: in its head, so that no message has come.
fn is_unavailable(headers: &HeaderMap) -> bool {
    has_grpc_content_type(headers) && grpc::status(headers) == Some(14)
}

/// RFC 9110, section 9.2.2.
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    ) || method.as_str() == "QUERY"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(failure: &Failure, reuse: Reuse) -> Seen<'_> {
        Seen { result: Err(failure), reuse, idempotent: true, not_processed: 0 }
    }

    #[test]
    fn retry_decision_for_every_unsent_failure_kind() {
        let answer = |kind| match kind {
            Kind::PoolTimeout | Kind::QueueFull | Kind::DeadlineExceeded => false,
            Kind::VersionNegotiation | Kind::UserAuthentication => false,
            Kind::InvalidRequest | Kind::RequestBody => false,
            // Unless a certificate was refused, or the name does not exist.
            Kind::SecureConnection | Kind::NameResolution => true,
            Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::AddressNotAvailable
            | Kind::TooManyOpenSockets
            | Kind::AccessDenied
            | Kind::Connection
            | Kind::ProxyTunnel
            | Kind::ConnectTimeout
            | Kind::TlsTimeout
            | Kind::WriteTimeout
            | Kind::ResponseTimeout
            | Kind::BodyTimeout
            | Kind::Protocol
            | Kind::InvalidResponse
            | Kind::ResponseEnded
            | Kind::LimitExceeded
            | Kind::StreamRefused
            | Kind::StreamReset
            | Kind::GoAway
            | Kind::Other => true,
        };
        for kind in Kind::ALL {
            for reuse in [Reuse::New, Reuse::Reused, Reuse::Unknown] {
                let failure = Failure::new(*kind).unsent();
                let again = !is_permanent(&failure)
                    && Rules(&RetrySettings::default()).wanted(seen(&failure, reuse)).is_some();
                assert_eq!(again, answer(*kind), "{kind}, {reuse:?}");
            }
        }
    }

    #[test]
    fn retry_never_by_default_when_send_state_unknown() {
        for kind in Kind::ALL {
            let failure = Failure::new(*kind);
            assert_eq!(failure.send_state(), None);
            assert_eq!(
                Rules(&RetrySettings::default()).wanted(seen(&failure, Reuse::Reused)),
                None,
                "{kind}"
            );
        }
    }
}
