//! What a call went through before its last attempt.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::failure::Failure;
use crate::record::{Connection, RetryReason};

/// An attempt after which its request was sent again.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    pub(crate) failure: Option<Failure>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) connection: Option<Connection>,
    pub(crate) reason: RetryReason,
    pub(crate) delay: Duration,
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

/// The attempts of a call before its last one, in order: in the extensions of a response whose request was sent more
/// than once.
#[derive(Clone, Debug)]
pub struct RetryHistory(Arc<[FailedAttempt]>);

impl RetryHistory {
    pub(crate) fn new(attempts: Vec<FailedAttempt>) -> Self {
        Self(attempts.into())
    }
}

impl Deref for RetryHistory {
    type Target = [FailedAttempt];

    fn deref(&self) -> &[FailedAttempt] {
        &self.0
    }
}
