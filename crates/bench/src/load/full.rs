//! Full load for some seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::Worker;

/// What the workers did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
}

/// Lets each worker send one request after the other for so long.
pub(crate) async fn full<W: Worker>(workers: Vec<W>, time: Duration, expected: usize) -> Load {
    let (begun, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let mut sending = Vec::with_capacity(workers.len());
    for mut worker in workers {
        let stop = Arc::clone(&stop);
        sending.push(tokio::spawn(async move {
            let mut requests = 0;
            while !stop.load(Relaxed) {
                assert_eq!(worker.call().await, expected);
                requests += 1;
            }
            requests
        }));
    }
    sleep(time).await;
    stop.store(true, Relaxed);
    let mut requests = 0;
    for sent in sending {
        requests += sent.await.expect("no panic");
    }
    Load { requests, seconds: begun.elapsed().as_secs_f64() }
}
