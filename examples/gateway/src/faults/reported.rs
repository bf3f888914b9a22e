//! The report of one request.

use std::time::Duration;

use tower_outbound::retry::{RetryLimit, RetryReason};
use tower_outbound::{Class, Failure, Outcome, Phase, SendState};

/// The outcome of a request's first attempt, and the retry layer's decision.
#[derive(Clone, Debug, Default)]
pub(super) struct Reported {
    pub(super) outcome: Option<Outcome>,
    pub(super) judged: Option<Judged>,
    pub(super) decision: Option<(RetryReason, Result<Duration, RetryLimit>)>,
}

/// What the retry policy was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Head,
    Failure,
}

impl Reported {
    /// `ok`, `cancelled`, or the kind.
    pub(super) fn kind(&self) -> &'static str {
        match &self.outcome {
            Some(Outcome::Ok) => "ok",
            Some(Outcome::Failed(failure)) => failure.kind().as_str(),
            Some(Outcome::Cancelled { .. }) => "cancelled",
            _ => "not reported",
        }
    }

    pub(super) fn phase(&self) -> Option<&'static str> {
        match &self.outcome {
            Some(Outcome::Cancelled { phase, .. }) => Some(phase.as_str()),
            _ => self.failure()?.phase().map(Phase::as_str),
        }
    }

    pub(super) fn class(&self) -> Option<&'static str> {
        self.failure()?.class().map(Class::as_str)
    }

    pub(super) fn sent(&self) -> Option<&'static str> {
        self.failure()?.send_state().map(SendState::as_str)
    }

    /// Whether the retry layer retried under its default rules, and the reason; `None` for a success.
    pub(super) fn retried(&self) -> Option<(bool, &'static str)> {
        let why_not = |judged| match judged {
            Some(Judged::Head) => "answered",
            Some(Judged::Failure) => "maybe processed",
            None => "never",
        };
        match (&self.outcome, self.decision) {
            (Some(Outcome::Failed(_)), Some((reason, Ok(_)))) => Some((true, reason.as_str())),
            (Some(Outcome::Failed(_)), Some((_, Err(limit)))) => Some((false, limit.as_str())),
            (Some(Outcome::Failed(_)), None) => Some((false, why_not(self.judged))),
            (Some(Outcome::Cancelled { .. }), _) => Some((false, "given up")),
            _ => None,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Some(Outcome::Failed(failure)) => Some(failure),
            _ => None,
        }
    }
}
