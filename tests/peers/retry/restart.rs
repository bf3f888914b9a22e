//! nginx restarts while connections are idle, and callers send right after the restart.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use outbound_tests::peers::{Access, Nginx};
use outbound_tests::recorder::Recorder;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tower_outbound::OutboundClient;
use tower_outbound::retry::RetryReason;

use super::{Setup, history, text, uri};

/// The number of idle connections at the restart, and of calls right after it.
const IDLE: usize = 50;
const CALLERS: usize = 32;
/// A call that takes longer hangs.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// The number of restarts.
const RESTARTS: usize = 5;

/// The callers' only thread is blocked during the restart: the pool still has the dead connections.
pub(super) async fn unseen() {
    let threads = Threads::new(1);
    let mut stale = 0;
    for _ in 0..RESTARTS {
        stale += restarted(&threads, true).await;
    }
    // The thread may poll the network before the callers, but not each time.
    assert!(stale > 0, "every dead connection was out of the pool in time");
}

pub(super) async fn seen() {
    let threads = Threads::new(4);
    for _ in 0..RESTARTS {
        restarted(&threads, false).await;
    }
}

/// Restarts nginx with 50 idle connections and sends 32 calls right after. Returns how often an attempt was given a dead
/// connection, and went on with another one.
async fn restarted(threads: &Threads, unseen: bool) -> i64 {
    let config = Nginx::config("location / { return 200 'hello'; }");
    let mut nginx = config.clone().start().await.unwrap();
    let setup = Setup::new(|retry| retry);
    let client = setup.outbound.client_builder().max_idle_per_origin(IDLE).build();
    let send = |to: &Nginx, path: &str, count: usize| -> Vec<_> {
        let uris = (0..count).map(|n| uri(to, &format!("/{path}/{n}")));
        uris.map(|uri| threads.runtime().spawn(post(client.clone(), uri))).collect()
    };

    // No request is answered before each has a connection.
    nginx.daemon().pause().await.unwrap();
    let warm = send(&nginx, "warm", IDLE);
    let assigned = |recorder: &Recorder| recorder.count("ConnectionAssigned") == IDLE as i64;
    setup.recorder.wait_until(assigned).await;
    nginx.daemon().resume().unwrap();
    for sent in warm {
        assert_eq!(sent.await.unwrap(), 0);
    }
    setup.recorder.wait_until(|recorder| recorder.gauges() == (0, IDLE as i64)).await;

    let held = if unseen { threads.hold().await } else { Vec::new() };
    nginx.daemon().end().await.unwrap();
    let again = config.address(nginx.address()).start().await;
    let mut again = again.unwrap();
    let calls = send(&again, "call", CALLERS);
    drop(held);
    for call in calls {
        let made = call.await.unwrap();
        assert!(made <= 1, "{made} retries");
    }
    let new = setup.recorder.count("ConnectStarted") - IDLE as i64;
    assert!(new <= CALLERS as i64, "{new} new connections");
    drop(client);
    setup.recorder.settled().await;

    again.daemon().end().await.unwrap();
    let log = [nginx.log(), again.log()];
    for (log, path, count) in [(&log[0], "warm", IDLE), (&log[1], "call", CALLERS)] {
        let mut requests: Vec<_> = log.iter().map(|access| access.request.as_str()).collect();
        let mut each: Vec<_> = (0..count).map(|n| format!("POST /{path}/{n} HTTP/1.1")).collect();
        requests.sort_unstable();
        each.sort_unstable();
        assert_eq!(requests, each);
    }
    let connections =
        |log: &[Access]| log.iter().map(|access| access.connection).collect::<BTreeSet<_>>().len();
    assert_eq!(connections(&log[0]), IDLE);
    assert!(connections(&log[1]) <= CALLERS);
    setup.recorder.count("ConnectionStale")
}

/// The number of retries of a call.
async fn post(client: OutboundClient, uri: Uri) -> u32 {
    let request = Request::post(uri).body(Full::new(Bytes::from_static(b"an order"))).unwrap();
    let response = tokio::time::timeout(CALL_WITHIN, client.request(request)).await.expect("an end").unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let history = history(&response);
    let reasons = [RetryReason::ReusedConnection, RetryReason::Connect];
    assert!(history.iter().all(|attempt| reasons.contains(&attempt.reason())), "{history:?}");
    let retries = u32::try_from(history.len()).unwrap();
    assert_eq!(text(response).await, "hello");
    retries
}

/// A runtime for the callers.
struct Threads {
    runtime: Option<Runtime>,
    count: usize,
}

impl Threads {
    fn new(count: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap();
        Self { runtime: Some(runtime), count }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("there until it is dropped")
    }

    /// Blocks all threads of the runtime until the returned guard is dropped.
    async fn hold(&self) -> Vec<mpsc::Sender<()>> {
        let mut held = Vec::new();
        for _ in 0..self.count {
            let (holds, is_held) = oneshot::channel();
            let (release, released) = mpsc::channel::<()>();
            self.runtime().spawn(async move {
                let _ = holds.send(());
                let _ = released.recv();
            });
            is_held.await.unwrap();
            held.push(release);
        }
        held
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not be dropped inside a task of another runtime.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
