//! Runs a contender's workers.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Job, Worker};
use crate::server::Addresses;
use crate::settings::Setting;
use crate::telemetry::Flush;

/// Sent first, so that connections are open and caches are filled.
const WARM_UP: usize = 128;

/// One run of one setting: what a contender starts its workers with.
pub(crate) struct Run {
    pub(crate) setting: Setting,
    pub(crate) to: Addresses,
    pub(crate) requests: usize,
}

/// The spans of a run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Spans {
    /// Without the warm-up.
    pub(crate) measured: Tally,
    pub(crate) in_all: Tally,
}

/// Spans since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Ended by the layers.
    pub(crate) made: u64,
    /// Handed to the exporter, and not refused by the receiver.
    pub(crate) exported: u64,
}

impl Run {
    pub(crate) fn job(&self) -> Job {
        Job::new(self.setting.traffic, &self.to)
    }

    /// Sends the requests one after the other. `flush` exports what waits.
    pub(crate) async fn drive<W: Worker>(&self, worker: W, flush: Flush) -> Spans {
        let expected = self.job().expected;
        let worker = send(worker, WARM_UP, expected).await;
        let before = flush.now().await;
        send(worker, self.requests, expected).await;
        let in_all = flush.now().await;
        let measured = Tally { made: in_all.made - before.made, exported: in_all.exported - before.exported };
        Spans { measured, in_all }
    }
}

/// In a task of its own, as services send. Each latency is taken, in both kinds of run.
async fn send<W: Worker>(mut worker: W, requests: usize, expected: usize) -> W {
    let mut latencies: Vec<u32> = Vec::with_capacity(requests);
    let sending = tokio::spawn(async move {
        for _ in 0..requests {
            let begun = Instant::now();
            assert_eq!(worker.call().await, expected);
            latencies.push(begun.elapsed().as_nanos() as u32);
        }
        (worker, latencies)
    });
    sending.await.expect("no panic").0
}
