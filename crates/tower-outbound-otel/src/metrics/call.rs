//! What is recorded of a call: its retries, what spoke against them, and how many attempts it took.

use std::time::Duration;

use tower_outbound::retry::{Release, RetryLimit, RetryReason};

use super::bound::Bind;
use super::origin::{OriginMetrics, text};
use crate::names::outbound as o;

impl OriginMetrics {
    pub(super) fn retry(&self, reason: RetryReason, limit: Option<RetryLimit>) {
        let handle = self.retries.get((reason, limit), || {
            let reason = (o::RETRY_REASON, text(reason.as_str()));
            match limit {
                None => self.instruments.retries.bound(&self.outbound([reason])),
                Some(limit) => {
                    let limit = (o::RETRY_LIMIT, text(limit.as_str()));
                    self.instruments.retry_given_up.bound(&self.outbound([limit, reason]))
                }
            }
        });
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }

    pub(super) fn released(&self, release: Release) {
        let handle = self.releases.get(release, || {
            self.instruments.releases.bound(&self.outbound([(o::RELEASE, text(release.as_str()))]))
        });
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }

    pub(super) fn call_ended(&self, outcome: &'static str, attempts: u64, waited: Option<Duration>) {
        let handle = self.calls.get(outcome, || {
            self.instruments.call_attempts.bound(&self.outbound([(o::OUTCOME, text(outcome))]))
        });
        if let Some(handle) = &*handle {
            handle.record(attempts);
        }
        let Some(waited) = waited else { return };
        let handle = self.delays.get((), || self.instruments.retry_delay.bound(&self.outbound([])));
        if let Some(handle) = &*handle {
            handle.record(waited.as_secs_f64());
        }
    }
}
