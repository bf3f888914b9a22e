//! The rules: which failures and responses the layer retries on its own.

use std::time::{Duration, SystemTime};

use http::header::HeaderName;
use http::{HeaderMap, Method, Request};

use super::retry_after::{PeerDelay, pushback, retry_after};
use crate::event::ResponseHead;
use crate::failure::{Class, DnsFailure, Failure, Kind, Phase, SendState};
use crate::record::{RetryReason, Reuse, grpc};
use crate::settings::RetrySettings;
use crate::util::http::has_grpc_content_type;

/// A server processes requests with the same key once: `draft-ietf-httpapi-idempotency-key-header`.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Maximum number of retries of a call after requests that the client lost.
const MAX_LOST: u32 = 2;

/// The status code `UNAVAILABLE` of gRPC.
const GRPC_UNAVAILABLE: u8 = 14;

/// The result of one attempt, as the rules see it.
#[derive(Clone, Copy)]
pub(super) struct AttemptResult<'a> {
    pub(super) result: Result<ResponseHead<'a>, &'a Failure>,
    pub(super) reuse: Reuse,
    /// By the request's method, or by an `Idempotency-Key`.
    pub(super) idempotent: bool,
    /// Number of earlier attempts of the call that the peer reported as not processed.
    pub(super) not_processed: u32,
    /// Number of earlier attempts of the call whose requests the client lost.
    pub(super) lost: u32,
}

/// A retry that the rules or the user's policy ask for. Counts, budgets and the deadline may still refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetryDecision {
    pub(super) reason: RetryReason,
    pub(super) budget: BudgetKind,
    pub(super) delay: Delay,
}

/// The budget that a retry draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BudgetKind {
    /// None: bounded by the number of connections that were open.
    Free,
    Connect,
    Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delay {
    None,
    Backoff,
    /// Requested by the peer or by the user's policy.
    Fixed(Duration),
    /// The peer asked not to retry.
    Forbidden,
}

/// Whether no retry may follow the failure, even if the request was not sent.
pub(super) fn is_permanent(failure: &Failure) -> bool {
    match failure.kind() {
        // This crate's own limits refused the request.
        Kind::PoolTimeout | Kind::QueueFull | Kind::DeadlineExceeded => true,
        // The peer would present the same certificate or version again. An interrupted handshake may succeed later.
        Kind::SecureConnection => {
            failure.certificate().is_some() || failure.tls_alert().is_some() || failure.lacks_tls()
        }
        Kind::VersionNegotiation => true,
        // Only a resolver that reports the reason: the system's does not distinguish an unknown name from a DNS server
        // that does not answer.
        Kind::NameResolution => {
            matches!(failure.dns(), Some(DnsFailure::HostNotFound | DnsFailure::NoRecovery))
        }
        // A timeout elapsed in the queue: the next attempt would wait in the same queue.
        _ if failure.phase() == Some(Phase::Queue) || failure.is_queued() => true,
        Kind::UserAuthentication => true,
        Kind::ProxyTunnel => failure.is_refused_by_proxy(),
        Kind::InvalidRequest | Kind::RequestBody => true,
        _ => false,
    }
}

/// The rules that the settings enable.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a>(pub(super) &'a RetrySettings);

impl Rules<'_> {
    /// The retry that the rules ask for; `None` if the caller gets the result.
    pub(super) fn decide(self, attempt: AttemptResult<'_>) -> Option<RetryDecision> {
        match attempt.result {
            Ok(head) => self.decide_response(head),
            Err(failure) => self.decide_failure(failure, attempt),
        }
    }

    fn decide_failure(self, failure: &Failure, attempt: AttemptResult<'_>) -> Option<RetryDecision> {
        let retry = |reason, budget, delay| Some(RetryDecision { reason, budget, delay });
        let reused = attempt.reuse == Reuse::Reused;
        match failure.send_state()? {
            // Bounded by the number of connections that end.
            SendState::NotSent if failure.is_lost() => {
                let again = attempt.lost < MAX_LOST;
                again.then_some(RetryDecision {
                    reason: RetryReason::NotSent,
                    budget: BudgetKind::Free,
                    delay: Delay::None,
                })
            }
            // The request waited for a connect that another request had started and then cancelled.
            SendState::NotSent if failure.is_connect() && failure.kind() == Kind::ConnectionAborted => {
                retry(RetryReason::Connect, BudgetKind::Free, Delay::None)
            }
            SendState::NotSent if failure.is_connect() => {
                retry(RetryReason::Connect, BudgetKind::Connect, Delay::Backoff)
            }
            SendState::NotSent if reused && failure.class() != Some(Class::Timeout) => {
                retry(RetryReason::ReusedConnection, BudgetKind::Free, Delay::None)
            }
            _ if self.0.connect_only => None,
            SendState::NotSent => retry(RetryReason::NotSent, BudgetKind::Request, Delay::Backoff),
            SendState::NotProcessed if attempt.not_processed == 0 => {
                retry(RetryReason::NotProcessed, BudgetKind::Free, Delay::None)
            }
            SendState::NotProcessed => retry(RetryReason::NotProcessed, BudgetKind::Request, Delay::Backoff),
            SendState::Partial(_) | SendState::Sent | SendState::Unknown
                if self.0.idempotent
                    && attempt.idempotent
                    && reused
                    && is_connection_dead(failure.kind()) =>
            {
                retry(RetryReason::Idempotent, BudgetKind::Request, Delay::None)
            }
            _ => None,
        }
    }

    fn decide_response(self, head: ResponseHead<'_>) -> Option<RetryDecision> {
        let (reason, peer_delay) = if self.0.statuses.contains(&head.status) {
            (RetryReason::Status, retry_after(head.headers, SystemTime::now))
        } else if self.0.grpc && is_grpc_unavailable(head.headers) {
            (RetryReason::GrpcStatus, pushback(head.headers))
        } else {
            return None;
        };
        let delay = match peer_delay {
            PeerDelay::Unspecified => Delay::Backoff,
            PeerDelay::After(delay) => Delay::Fixed(delay),
            PeerDelay::Never => Delay::Forbidden,
        };
        Some(RetryDecision { reason, budget: BudgetKind::Request, delay })
    }
}

/// Whether the connection itself died, not only a stream on it.
fn is_connection_dead(kind: Kind) -> bool {
    matches!(kind, Kind::ConnectionReset | Kind::ConnectionAborted | Kind::ResponseEnded)
}

/// Whether the response has trailers only (the status is in its head, so there is no message) with status
/// `UNAVAILABLE`.
fn is_grpc_unavailable(headers: &HeaderMap) -> bool {
    has_grpc_content_type(headers) && grpc::status(headers) == Some(GRPC_UNAVAILABLE)
}

/// By method (RFC 9110, section 9.2.2), or by an `Idempotency-Key`.
pub(super) fn is_idempotent<B>(request: &Request<B>) -> bool {
    let method = request.method();
    let by_method = matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    by_method || method.as_str() == "QUERY" || request.headers().contains_key(IDEMPOTENCY_KEY)
}

#[cfg(test)]
mod tests;
