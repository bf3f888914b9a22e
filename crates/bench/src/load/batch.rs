//! Requests of many workers at once.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::time::Instant;

use super::Worker;

/// Each worker sends so many requests, in a task of its own, as services send. In bursts, all wait for the last before each
/// request. Returns the workers and the latencies in nanoseconds, which every kind of run takes.
pub(crate) async fn batch<W: Worker>(
    workers: Vec<W>,
    requests: usize,
    expected: usize,
    bursts: bool,
) -> (Vec<W>, Vec<u32>) {
    let together = bursts.then(|| Arc::new(Barrier::new(workers.len())));
    let mut sending = Vec::with_capacity(workers.len());
    for mut worker in workers {
        let together = together.clone();
        let mut latencies: Vec<u32> = Vec::with_capacity(requests);
        sending.push(tokio::spawn(async move {
            for _ in 0..requests {
                if let Some(together) = &together {
                    together.wait().await;
                }
                let begun = Instant::now();
                assert_eq!(worker.call().await, expected);
                latencies.push(begun.elapsed().as_nanos() as u32);
            }
            (worker, latencies)
        }));
    }
    let (mut workers, mut latencies) = (Vec::with_capacity(sending.len()), Vec::new());
    for sent in sending {
        let (worker, of_worker) = sent.await.expect("no panic");
        workers.push(worker);
        latencies.extend(of_worker);
    }
    (workers, latencies)
}
