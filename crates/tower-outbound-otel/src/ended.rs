//! How an attempt ended, computed once for its span and its metrics.

use std::cell::OnceCell;
use std::time::Duration;

use http::StatusCode;
use opentelemetry::trace::Status;
use tokio::time::Instant;
use tower_outbound::{Attempt, Failure, Outcome, Phase};

use crate::error_type::ErrorType;
use crate::phases::{PhaseSpans, phases};
use crate::rpc::RpcStatus;
use crate::semconv::is_error;

/// An attempt whose span ends: at the end of the response's body, or by option at the response's head.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) outcome: &'a Outcome,
    pub(crate) end: Instant,
    /// From the attempt's start to `end`.
    pub(crate) took: Duration,
    pub(crate) status: Option<StatusCode>,
    pub(crate) failure: Option<&'a Failure>,
    /// `None` if the attempt is not gRPC.
    pub(crate) rpc: Option<RpcStatus>,
    /// See [`phases`](crate::phases::phases).
    pub(crate) phases: OnceCell<PhaseSpans>,
}

impl<'a> Ended<'a> {
    pub(crate) fn new(attempt: &'a Attempt, outcome: &'a Outcome, end: Instant) -> Self {
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        };
        Self {
            attempt,
            outcome,
            end,
            took: end.saturating_duration_since(attempt.start_time()),
            status: attempt.status(),
            failure,
            rpc: RpcStatus::of(attempt, outcome),
            phases: OnceCell::new(),
        }
    }

    /// From the attempt's start to the first byte of the response.
    pub(crate) fn first_byte(&self) -> Option<Duration> {
        // Found already, nearly always.
        let head = phases(self).find(|span| span.phase == Phase::Head && !span.cut);
        match head {
            Some(head) => Some(head.start),
            None => self.attempt.timings().cumulative().first_byte,
        }
    }

    /// `error.type` of the span and of the RPC metric.
    pub(crate) fn error_type(&self) -> Option<ErrorType> {
        match self.rpc {
            Some(rpc) => rpc.error_type(),
            None => self.http_error_type(),
        }
    }

    /// `error.type` of the HTTP metrics, which do not know gRPC's status.
    ///
    /// A cancellation is not an error. An error status received before it is: clients often drop such bodies unread.
    pub(crate) fn http_error_type(&self) -> Option<ErrorType> {
        match self.failure {
            Some(failure) => Some(ErrorType::Kind(failure.kind())),
            None => self.status.filter(|status| is_error(*status)).map(ErrorType::Status),
        }
    }

    /// The status of a span with an error. A description where no response came: it would repeat a response's status.
    pub(crate) fn error_status(&self) -> Status {
        let description = self.failure.filter(|_| self.status.is_none()).map(ToString::to_string);
        Status::error(description.unwrap_or_default())
    }

    /// Whether the response is an error: an HTTP status, or a gRPC status inside of HTTP's 200.
    pub(crate) fn is_error_response(&self) -> bool {
        let rpc = self.rpc.filter(|_| self.failure.is_none()).and_then(RpcStatus::error_type);
        self.status.is_some_and(is_error) || rpc.is_some()
    }

    /// The value of `outbound.outcome`.
    pub(crate) fn outcome_name(&self) -> &'static str {
        outcome_name(self.outcome, self.is_error_response())
    }
}

/// The value of `outbound.outcome`. An error response is an error, also if its body was dropped.
pub(crate) fn outcome_name(outcome: &Outcome, error_response: bool) -> &'static str {
    match outcome {
        Outcome::Failed(_) => "error",
        _ if error_response => "error",
        Outcome::Cancelled { .. } => "cancelled",
        _ => "ok",
    }
}
