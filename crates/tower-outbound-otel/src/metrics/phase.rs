//! `outbound.phase.duration`: the phases of attempts and connects.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tower_outbound::connect::Setup;
use tower_outbound::{Failure, Kind, Phase};

use super::attributes::{Attributes, kind, text};
use super::bound::{Bind, BoundHistogram};
use super::cache::Cache;
use crate::ended::Ended;
use crate::phases::{PHASES, phases};
use crate::semconv::{attribute as a, outbound as o};

/// The phase, its failure, and whether TLS resumed a session.
type PhaseKey = (Phase, Option<Kind>, Option<bool>);

#[derive(Debug)]
pub(super) struct PhaseMetrics {
    attributes: Arc<Attributes>,
    durations: Cache<PhaseKey, Option<BoundHistogram<f64>>>,
    /// The phases of attempts that ended well, which nearly all are.
    whole: [OnceLock<Option<BoundHistogram<f64>>>; PHASES.len()],
}

impl PhaseMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        Self { attributes, durations: Cache::default(), whole: Default::default() }
    }

    pub(super) fn attempt_ended(&self, ended: &Ended<'_>) {
        if self.attributes.instruments.phase_duration.is_none() {
            return;
        }
        let failure = ended.failure.map(Failure::kind);
        for span in phases(ended) {
            // The body has a metric of its own. A phase that the caller cut short says nothing about the peer.
            if span.phase == Phase::Body || (span.cut && failure.is_none()) {
                continue;
            }
            let at = PHASES.iter().position(|phase| *phase == span.phase).filter(|_| !span.cut);
            let Some(at) = at else {
                self.record((span.phase, failure.filter(|_| span.cut), None), span.duration());
                continue;
            };
            if let Some(handle) = self.whole[at].get_or_init(|| self.bind((span.phase, None, None))) {
                handle.record(span.duration().as_secs_f64());
            }
        }
    }

    pub(super) fn connect_ended(&self, setup: &Setup) {
        for ended in setup.phases() {
            let failure = ended.failure.as_ref().map(Failure::kind);
            let resumed = setup.tls().and_then(|tls| tls.resumed).filter(|_| ended.phase == Phase::Tls);
            let took = ended.end.saturating_duration_since(ended.start);
            self.record((ended.phase, failure, resumed), took);
        }
    }

    fn record(&self, key: PhaseKey, took: Duration) {
        if let Some(handle) = &*self.durations.get(key, || self.bind(key)) {
            handle.record(took.as_secs_f64());
        }
    }

    fn bind(&self, (phase, failure, resumed): PhaseKey) -> Option<BoundHistogram<f64>> {
        self.attributes.instruments.phase_duration.bound(&self.attributes.outbound([
            (a::ERROR_TYPE, kind(failure)),
            (o::PHASE, text(phase.as_str())),
            (a::TLS_RESUMED, resumed.map(Into::into)),
        ]))
    }
}
