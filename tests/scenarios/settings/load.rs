//! Limits that move under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use outbound_tests::server::LoadServer;
use tokio::time::timeout;
use tower_outbound::Outbound;
use tower_outbound::settings::Settings;

use super::*;

const CALLERS: usize = 50;
/// Far beyond what a change takes.
const WATCHDOG: Duration = Duration::from_secs(30);

/// Calls until it is told to stop. The largest number of sockets since it was last asked.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    done: AtomicUsize,
    failed: AtomicUsize,
    most: AtomicUsize,
}

impl Load {
    fn begin(self: &Arc<Self>, outbound: &Outbound, uri: &Uri) -> Vec<tokio::task::JoinHandle<()>> {
        let client = outbound.client();
        let caller = |_| {
            let (load, outbound, client, uri) = (self.clone(), outbound.clone(), client.clone(), uri.clone());
            tokio::spawn(async move {
                while !load.stop.load(Ordering::Relaxed) {
                    let answer = async { client.get(uri.clone()).await?.into_body().bytes().await };
                    let failed = answer.await.is_err();
                    load.failed.fetch_add(usize::from(failed), Ordering::Relaxed);
                    load.done.fetch_add(1, Ordering::Relaxed);
                    load.most.fetch_max(outbound.connections().len(), Ordering::Relaxed);
                }
            })
        };
        (0..CALLERS).map(caller).collect()
    }

    async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let wait = async {
            while !holds() {
                tokio::time::sleep(ms(1)).await;
            }
        };
        timeout(WATCHDOG, wait).await.unwrap_or_else(|_| panic!("{what}"));
    }

    /// The most sockets while so many more calls end.
    async fn most_in(&self, calls: usize) -> usize {
        self.most.store(0, Ordering::Relaxed);
        let before = self.done.load(Ordering::Relaxed);
        self.until("calls end", || self.done.load(Ordering::Relaxed) >= before + calls).await;
        self.most.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn apply_limits_under_load_drain_and_fail_none() {
    let server = LoadServer::builder().uses(1_000_000..=1_000_000).start().await.unwrap();
    let outbound = Outbound::new();
    let load = Arc::new(Load::default());
    let callers = load.begin(&outbound, &server.uri("/"));
    let mut before = 50;
    for limit in [20, 3, 30, 1, 8] {
        outbound.apply(&Settings::new().max_connections_per_origin(limit));
        load.until(&format!("{before} -> {limit}: down"), || outbound.connections().len() <= limit).await;
        let most = load.most_in(500).await;
        assert!(most <= limit, "{most} sockets at the limit of {limit}");
        if limit > before {
            load.until(&format!("{before} -> {limit}: up"), || outbound.connections().len() > before).await;
        }
        before = limit;
    }
    load.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(load.failed.load(Ordering::Relaxed), 0);
    assert!(server.peak() <= 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn apply_in_flight_limits_under_load_fail_none() {
    let server = LoadServer::builder().uses(1_000_000..=1_000_000).start().await.unwrap();
    let outbound = Outbound::new();
    let load = Arc::new(Load::default());
    let callers = load.begin(&outbound, &server.uri("/"));
    for limit in [4, 20, 2, 0, 5] {
        outbound.apply(&Settings::new().max_in_flight_per_origin(limit));
        let _ = load.most_in(300).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(load.failed.load(Ordering::Relaxed), 0);
}
