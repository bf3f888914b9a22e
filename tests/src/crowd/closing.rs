//! A peer that closes connections at the moment when they are taken.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower_outbound::Outbound;
use tower_outbound::timeouts::Timeouts;

use super::peer::{Behaviour, Peer};

/// The threads of the callers' runtime.
const THREADS: usize = 4;
const CALLERS: usize = 16;
/// A call that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(10);

/// What became of the requests.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The number of requests.
    pub requests: usize,
    /// Calls that hang.
    pub hung: usize,
    /// Calls that failed, by the kinds of their failures.
    pub failed: BTreeMap<&'static str, usize>,
    /// Connections that the peer accepted.
    pub connections: usize,
    /// How long all of it took.
    pub took: Duration,
}

impl Closed {
    /// Whether every call ended.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.hung == 0
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Closed { requests, hung, failed, connections, took } = self;
        write!(
            f,
            "closing: {requests} requests on {connections} connections in {took:.1?}: {hung} hang, failed {failed:?}"
        )
    }
}

/// Sends the requests without any time limit but the watchdog's.
///
/// # Errors
/// If the peer cannot listen.
pub fn closing(requests: usize) -> io::Result<Closed> {
    let peer = Peer::start(Behaviour::CloseWhenTaken)?;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let off = Duration::ZERO;
    let timeouts = Timeouts::new().attempt(off).first_byte(off).write_idle(off).body_idle(off);
    let client = Outbound::builder()
        .timeouts(timeouts)
        .connect_timeout(off)
        .tls_timeout(off)
        .acquire_timeout(off)
        .build()
        .client();
    let uri: http::Uri = format!("http://{}/", peer.address()).parse().expect("a URI");
    let (begun, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let ends = runtime.block_on(async {
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (client, uri, begun) = (client.clone(), uri.clone(), Arc::clone(&begun));
            callers.spawn(async move {
                let (mut hung, mut failed) = (0, BTreeMap::new());
                while begun.fetch_add(1, Ordering::Relaxed) < requests {
                    let call = async {
                        let response = client.get(uri.clone()).await?;
                        response.into_body().bytes().await.map(drop)
                    };
                    match timeout(WATCHDOG, call).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => *failed.entry(error.failure().kind().as_str()).or_insert(0) += 1,
                        Err(_) => hung += 1,
                    }
                }
                (hung, failed)
            });
        }
        callers.join_all().await
    });
    let took = start.elapsed();
    let mut failed = BTreeMap::new();
    for (kind, count) in ends.iter().flat_map(|(_, failed)| failed) {
        *failed.entry(*kind).or_insert(0) += count;
    }
    let hung = ends.iter().map(|(hung, _)| hung).sum();
    runtime.shutdown_background();
    Ok(Closed { requests, hung, failed, connections: peer.accepted(), took })
}
