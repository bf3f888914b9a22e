//! Calls: their retries, their deadlines, and how many attempts they took.

use std::sync::Arc;
use std::time::Duration;

use tower_outbound::Phase;
use tower_outbound::retry::{Release, RetryLimit, RetryReason};

use super::attributes::{Attributes, text};
use super::bound::{Bind, BoundCounter, BoundHistogram};
use super::cache::Cache;
use crate::semconv::outbound as o;

/// What is retried by default. These series exist with 0 from the start: a rate sees the first retry.
const BY_DEFAULT: [RetryReason; 4] =
    [RetryReason::Connect, RetryReason::ReusedConnection, RetryReason::NotSent, RetryReason::NotProcessed];

#[derive(Debug)]
pub(super) struct CallMetrics {
    attributes: Arc<Attributes>,
    retries: Cache<(RetryReason, Option<RetryLimit>), Option<BoundCounter<u64>>>,
    releases: Cache<Release, Option<BoundCounter<u64>>>,
    attempts: Cache<&'static str, Option<BoundHistogram<u64>>>,
    delays: Cache<(), Option<BoundHistogram<f64>>>,
    deadlines: Cache<Phase, Option<BoundCounter<u64>>>,
}

impl CallMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        let metrics = Self {
            attributes,
            retries: Cache::default(),
            releases: Cache::default(),
            attempts: Cache::default(),
            delays: Cache::default(),
            deadlines: Cache::default(),
        };
        for reason in BY_DEFAULT {
            metrics.add(reason, None, 0);
        }
        metrics
    }

    /// A retry, or with a limit, a retry that was given up.
    pub(super) fn retry(&self, reason: RetryReason, limit: Option<RetryLimit>) {
        self.add(reason, limit, 1);
    }

    fn add(&self, reason: RetryReason, limit: Option<RetryLimit>, retries: u64) {
        let handle = self.retries.get((reason, limit), || {
            let Attributes { instruments, .. } = &*self.attributes;
            let reason = (o::RETRY_REASON, text(reason.as_str()));
            match limit {
                None => instruments.retries.bound(&self.attributes.outbound([reason])),
                Some(limit) => {
                    let limit = (o::RETRY_LIMIT, text(limit.as_str()));
                    instruments.retry_given_up.bound(&self.attributes.outbound([limit, reason]))
                }
            }
        });
        if let Some(handle) = &*handle {
            handle.add(retries);
        }
    }

    pub(super) fn released(&self, release: Release) {
        let handle = self.releases.get(release, || {
            let release = (o::RELEASE, text(release.as_str()));
            self.attributes.instruments.releases.bound(&self.attributes.outbound([release]))
        });
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }

    pub(super) fn deadline_elapsed(&self, phase: Phase) {
        let handle = self.deadlines.get(phase, || {
            let phase = (o::PHASE, text(phase.as_str()));
            self.attributes.instruments.deadline_elapsed.bound(&self.attributes.outbound([phase]))
        });
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }

    /// `waited` is the sum of the backoffs; `None` if there was none.
    pub(super) fn ended(&self, outcome: &'static str, attempts: u64, waited: Option<Duration>) {
        let Attributes { instruments, .. } = &*self.attributes;
        let handle = self.attempts.get(outcome, || {
            instruments.call_attempts.bound(&self.attributes.outbound([(o::OUTCOME, text(outcome))]))
        });
        if let Some(handle) = &*handle {
            handle.record(attempts);
        }
        let Some(waited) = waited else { return };
        let handle = self.delays.get((), || instruments.retry_delay.bound(&self.attributes.outbound([])));
        if let Some(handle) = &*handle {
            handle.record(waited.as_secs_f64());
        }
    }
}
