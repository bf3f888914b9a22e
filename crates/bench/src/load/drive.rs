//! Runs a contender's workers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::batch::batch;
use super::full::{Load, full};
use super::{Job, Worker};
use crate::duels::{self, Duel};
use crate::server::Addresses;
use crate::settings::{Setting, Traffic};
use crate::telemetry::Flush;

/// Sent first, so that connections are open and caches are filled.
const WARM_UP: usize = 128;
/// Under full load.
const WORKERS: usize = 32;
/// What clients that time out against each other keep, unless it is about their defaults.
const MAX_IDLE: usize = 64;

/// One run of one setting: what a contender starts its workers with.
pub(crate) struct Run {
    pub(crate) setting: Setting,
    pub(crate) plan: Plan,
    pub(crate) to: Addresses,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Plan {
    /// So many requests one after the other, to be counted from outside.
    Count(usize),
    /// So many turns of the contender and of hyper-util alone, on as many threads.
    Duel { turns: usize, threads: usize },
    /// So many seconds of full load, on as many threads, and no export but the exporter's own.
    Load { seconds: u64, threads: usize },
}

impl Plan {
    /// The threads of the runtime.
    pub(crate) fn threads(self) -> usize {
        match self {
            Self::Count(_) => 1,
            Self::Duel { threads, .. } | Self::Load { threads, .. } => threads,
        }
    }
}

/// What a run says at its end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) spans: Spans,
    pub(crate) duel: Option<Duel>,
    pub(crate) load: Option<Load>,
}

impl Outcome {
    fn of(spans: Spans) -> Self {
        Self { spans, duel: None, load: None }
    }
}

/// Spans since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spans {
    /// Ended by the layers.
    pub(crate) made: u64,
    /// Handed to the exporter, and not refused by the receiver.
    pub(crate) exported: u64,
}

impl Run {
    pub(crate) fn job(&self) -> Job {
        Job::new(self.setting.traffic, &self.to)
    }

    /// The idle connections that a client keeps; `None`: its default.
    pub(crate) fn max_idle(&self) -> Option<usize> {
        let defaults = matches!(self.plan, Plan::Count(_)) || self.setting.traffic == Traffic::Burst(32);
        (!defaults).then_some(MAX_IDLE)
    }

    /// Sends the requests of the plan. `flush` exports what waits.
    pub(crate) async fn drive<W: Worker>(&self, make: impl Fn() -> W, flush: Flush) -> Outcome {
        match self.plan {
            Plan::Count(requests) => {
                let expected = self.job().expected;
                let (workers, _) = batch(vec![make()], WARM_UP, expected, false).await;
                flush.now().await;
                batch(workers, requests, expected, false).await;
                Outcome::of(flush.now().await)
            }
            Plan::Duel { turns, .. } => {
                let duel = duels::against_bare(self, turns, make, &flush).await;
                Outcome { duel: Some(duel), ..Outcome::of(flush.now().await) }
            }
            Plan::Load { seconds, .. } => {
                let workers = (0..WORKERS).map(|_| make()).collect();
                let load = full(workers, Duration::from_secs(seconds), self.job().expected).await;
                Outcome { load: Some(load), ..Outcome::of(flush.now().await) }
            }
        }
    }
}
