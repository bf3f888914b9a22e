//! The failed attempts of a call before its last one.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::failure::Failure;
use crate::record::{Connection, RetryReason};

/// An attempt that was followed by a retry.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    pub(crate) failure: Option<Failure>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) connection: Option<Connection>,
    pub(crate) reason: RetryReason,
    pub(crate) delay: Duration,
}

impl FailedAttempt {
    /// The failure; `None` if the attempt had a response.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The status of the response; `None` if the attempt failed.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The tracked connection of the attempt.
    #[must_use]
    pub const fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// The reason for the retry.
    #[must_use]
    pub const fn reason(&self) -> RetryReason {
        self.reason
    }

    /// The wait before the retry.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.delay
    }
}

/// The attempts of a call before its last one, in order. In the extensions of a response after retries.
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
