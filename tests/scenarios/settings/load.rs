//! Limits that move under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use outbound_tests::server::LoadServer;
use tokio::time::timeout;
use tower_outbound::Outbound;
use tower_outbound::settings::Settings;

use super::*;

const CALLERS: usize = 50;
/// Far beyond what a change takes.
const WATCHDOG: Duration = Duration::from_secs(30);

/// Sends requests until `stop` is set.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    done: AtomicUsize,
    failed: AtomicUsize,
    /// The number of the turn, and the largest number of sockets that was seen during it.
    most: Mutex<(usize, usize)>,
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
                    let turn = load.most.lock().unwrap().0;
                    let open = outbound.connections().len();
                    let mut most = load.most.lock().unwrap();
                    // Not what was seen in the turn before.
                    if most.0 == turn {
                        most.1 = most.1.max(open);
                    }
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
        let before = {
            let mut most = self.most.lock().unwrap();
            *most = (most.0 + 1, 0);
            self.done.load(Ordering::Relaxed)
        };
        self.until("calls end", || self.done.load(Ordering::Relaxed) >= before + calls).await;
        self.most.lock().unwrap().1
    }

    /// Connects that had begun when a limit was lowered drain too: the limit holds for some time, twice.
    async fn drained(&self, limit: usize) {
        let wait = async {
            let mut times = 0;
            while times < 2 {
                times = if self.most_in(200).await <= limit { times + 1 } else { 0 };
            }
        };
        timeout(WATCHDOG, wait).await.unwrap_or_else(|_| panic!("never drained to {limit}"));
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
        load.drained(limit).await;
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
