//! The attempts of a call that were followed by a retry.

use crate::error::FailedAttempt;
use crate::failure::{Failure, SendState};
use crate::record::RetryReason;
use crate::settings::RetrySettings;

/// Maximum number of retries after dead reused connections, which [`RetrySettings::max_retries`] does not count.
/// A pool that holds more dead connections is broken.
const MAX_DEAD_CONNECTIONS: usize = 100;

/// The attempts of a call that were followed by a retry.
#[derive(Default)]
pub(super) struct FailedAttempts(Vec<FailedAttempt>);

impl FailedAttempts {
    /// Number of retries so far.
    pub(super) fn retries(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, attempt: FailedAttempt) {
        self.0.push(attempt);
    }

    pub(super) fn take(&mut self) -> Vec<FailedAttempt> {
        std::mem::take(&mut self.0)
    }

    /// Number of attempts that the peer reported as not processed.
    pub(super) fn not_processed(&self) -> u32 {
        self.count(|failure| failure.send_state() == Some(SendState::NotProcessed))
    }

    /// Number of attempts whose requests the client lost.
    pub(super) fn lost(&self) -> u32 {
        self.count(Failure::is_lost)
    }

    fn count(&self, what: impl Fn(&Failure) -> bool) -> u32 {
        let failures = self.0.iter().filter_map(|attempt| attempt.failure.as_ref());
        u32::try_from(failures.filter(|failure| what(failure)).count()).unwrap_or(u32::MAX)
    }

    /// Whether a further retry for this reason would exceed the maximum.
    ///
    /// Retries after a dead reused connection have a maximum of their own. The number of open connections bounds them,
    /// also in a pool from which the other dead connections cannot be evicted.
    pub(super) fn is_exhausted(
        &self,
        reason: RetryReason,
        max_retries: u32,
        settings: &RetrySettings,
    ) -> bool {
        let is_uncounted = |reason| reason == RetryReason::ReusedConnection && !settings.connect_only;
        let uncounted = self.0.iter().filter(|attempt| is_uncounted(attempt.reason)).count();
        match is_uncounted(reason) {
            true => uncounted >= MAX_DEAD_CONNECTIONS,
            false => self.0.len() - uncounted >= max_retries as usize,
        }
    }
}
