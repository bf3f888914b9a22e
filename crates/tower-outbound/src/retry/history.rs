//! What a call went through before its last exchange.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::RetryReason;
use crate::classify::Failure;
use crate::connect::Connection;

/// An exchange after which its request was sent again.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    pub(super) failure: Option<Failure>,
    pub(super) status: Option<StatusCode>,
    pub(super) connection: Option<Connection>,
    pub(super) reason: RetryReason,
    pub(super) delay: Duration,
}

impl FailedAttempt {
    /// What went wrong, with its kind and phase; `None` where it was answered.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// What it was answered.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The connection that it was on, if there was one that is tracked.
    #[must_use]
    pub const fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Why it was sent again.
    #[must_use]
    pub const fn reason(&self) -> RetryReason {
        self.reason
    }

    /// How long was waited before that.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.delay
    }
}

/// The exchanges of a call before its last one, in order: in the extensions of a response whose request was sent more
/// than once.
#[derive(Clone, Debug)]
pub struct RetryHistory(Arc<[FailedAttempt]>);

impl RetryHistory {
    pub(super) fn new(attempts: Vec<FailedAttempt>) -> Self {
        Self(attempts.into())
    }
}

impl Deref for RetryHistory {
    type Target = [FailedAttempt];

    fn deref(&self) -> &[FailedAttempt] {
        &self.0
    }
}
