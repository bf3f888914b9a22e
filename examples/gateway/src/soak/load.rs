//! Workers that send calls at a bounded rate, whatever the responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Calls;
use crate::traffic::Caller;

/// Half of the calls go through the twin. The last path is slow, so that restarts interrupt its response.
const ROUND: [&str; 4] = ["/twin/tea", "/plain/fast", "/twin/tea", "/plain/body/60k"];
const WORKERS: usize = 4;
/// The pause between two calls of a worker: at most 200 calls a second in all.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Load {
    over: Arc<AtomicBool>,
    workers: JoinSet<Calls>,
}

impl Load {
    pub(super) fn start(caller: &Caller) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let workers = (0..WORKERS).map(|number| worker(caller.clone(), number, Arc::clone(&over))).collect();
        Load { over, workers }
    }

    /// Stops the workers after their current calls, and returns the counts.
    pub(super) async fn end(self) -> Calls {
        self.over.store(true, Ordering::Relaxed);
        let calls = self.workers.join_all().await;
        calls.into_iter().fold(Calls::default(), |sum, calls| Calls {
            ok: sum.ok + calls.ok,
            failed: sum.failed + calls.failed,
            unanswered: sum.unanswered + calls.unanswered,
        })
    }
}

async fn worker(caller: Caller, number: usize, over: Arc<AtomicBool>) -> Calls {
    let mut calls = Calls::default();
    let mut round = ROUND.iter().cycle().skip(number);
    while !over.load(Ordering::Relaxed) {
        let path = round.next().unwrap_or(&ROUND[0]);
        calls.add(caller.get(path).await.status);
        sleep(PAUSE).await;
    }
    calls
}
