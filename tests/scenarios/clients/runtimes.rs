//! One client on two runtimes.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{H2Server, LoadServer, Script, ScriptedServer};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::event::StackWarning;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Event, Kind, Outbound, OutboundClient};

use super::hyper_util::HTTP_1;
use crate::support::{Body, recorded};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Drives a runtime until the sender is dropped, and drops it.
fn drive(runtime: Runtime) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let _ = runtime.block_on(stopped);
    });
    (stop, thread)
}

/// The client's own tasks give the connection back to the pool.
async fn turns() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn peers() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn get(client: &OutboundClient, uri: &http::Uri) -> Result<(), tower_outbound::Error> {
    client.get(uri.clone()).await?.into_body().bytes().await.map(drop)
}

/// The kind of a request's failure on a second runtime, and the warnings, with hyper-util's client. The connection is on a first
/// runtime, which is driven meanwhile by a thread, or not at all.
fn second_request(driven: bool, http2: bool) -> (Option<Kind>, Vec<StackWarning>) {
    let warnings = Arc::<Mutex<Vec<_>>>::default();
    let seen = Arc::clone(&warnings);
    let watch = move |event: &Event<'_>| {
        if let Event::Misplaced { warning, .. } = event {
            seen.lock().unwrap().push(*warning);
        }
    };
    let peers = peers();
    let (uri, _server1, _server2) = peers.block_on(async {
        let server1 = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
        let answer = async |_| http::Response::new("ok".to_owned());
        let server2 = H2Server::builder().start(answer).await.unwrap();
        let uri = if http2 { server2.uri("/") } else { server1.uri("/") };
        (uri, server1, server2)
    });
    let attempt = Duration::from_millis(if driven { 10_000 } else { 200 });
    let outbound = Outbound::builder()
        .observer(watch)
        .timeouts(Timeouts::new().attempt(attempt))
        .retry(|retry| retry.max_retries(0))
        .build();
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .http2_only(http2)
        .retry_canceled_requests(false)
        .build(connector);
    let service = outbound.layer().layer(client);
    let get = async || {
        let request = http::Request::get(uri.clone()).body(Body::default()).unwrap();
        service.clone().oneshot(request).await?.into_body().collect().await
    };

    let first = runtime();
    first.block_on(async {
        get().await.unwrap();
        turns().await;
    });
    // A runtime closes its connections when it is dropped, not when it stops to run.
    let (driver, idle) = if driven { (Some(drive(first)), None) } else { (None, Some(first)) };
    let failed = runtime().block_on(get()).err().map(|error| error.failure().kind());
    drop(idle);
    if let Some((stop, thread)) = driver {
        drop(stop);
        thread.join().unwrap();
    }
    let warnings = warnings.lock().unwrap().clone();
    (failed, warnings)
}

#[test]
fn stack_warning_connection_of_runtime_not_driven() {
    for http2 in [false, true] {
        let warned = vec![StackWarning::OtherRuntime];
        assert_eq!(second_request(false, http2), (Some(Kind::ResponseTimeout), warned), "HTTP/2: {http2}");
    }
}

#[test]
fn stack_warning_absent_for_two_driven_runtimes() {
    for http2 in [false, true] {
        assert_eq!(second_request(true, http2), (None, Vec::new()), "HTTP/2: {http2}");
    }
}

/// A client on the pool of this crate, and what it needs: the connections of the server are counted.
struct Own {
    peers: Runtime,
    server: LoadServer,
    outbound: Outbound,
    recorder: Recorder,
}

impl Own {
    fn new() -> Self {
        let peers = peers();
        let server = LoadServer::builder().uses(1_000_000..=1_000_000);
        let server = peers.block_on(server.start()).unwrap();
        let (outbound, recorder) = recorded();
        Self { peers, server, outbound, recorder }
    }

    fn client(&self, limit: usize) -> OutboundClient {
        self.outbound.client_builder().pool(|pool| pool.max_connections_per_origin(limit)).build()
    }

    fn uri(&self) -> http::Uri {
        self.server.uri("/")
    }

    fn wait_until(&self, done: impl Fn(&Recorder) -> bool) {
        self.peers.block_on(self.recorder.wait_until(done));
    }
}

#[test]
fn runtime_not_driven_keeps_no_request_of_another_waiting() {
    let own = Own::new();
    let client = own.client(50);
    let [first, second] = [runtime(), runtime()];
    for (runtime, accepted) in [(&first, 1), (&second, 2), (&first, 2), (&second, 2)] {
        runtime.block_on(async {
            get(&client, &own.uri()).await.unwrap();
            turns().await;
        });
        assert_eq!(own.server.accepted(), accepted, "each has its own");
    }
    assert_eq!(own.recorder.count("Misplaced"), 0);
}

#[test]
fn runtime_not_driven_keeps_no_http2_request_of_another_waiting() {
    let peers = peers();
    let answer = async |_| http::Response::new("ok".to_owned());
    let server = peers.block_on(H2Server::builder().start(answer)).unwrap();
    let client = Outbound::new().client_builder().http2_only(true).build();
    let [first, second] = [runtime(), runtime()];
    for (runtime, accepted) in [(&first, 1), (&second, 2), (&first, 2), (&second, 2)] {
        runtime.block_on(get(&client, &server.uri("/"))).unwrap();
        assert_eq!(server.accepted(), accepted, "each has its own");
    }
}

#[test]
fn runtimes_of_one_client_share_its_limit() {
    let own = Own::new();
    let client = own.client(1);
    let [first, second] = [runtime(), runtime()];
    first.block_on(async {
        get(&client, &own.uri()).await.unwrap();
        turns().await;
    });
    let (stop, thread) = drive(first);
    second.block_on(get(&client, &own.uri())).unwrap();
    assert_eq!((own.server.accepted(), own.recorder.close_reasons()), (2, vec!["surplus"]));
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn runtime_that_is_gone_takes_its_connections_with_it() {
    let own = Own::new();
    let client = own.client(2);
    let [first, second] = [runtime(), runtime()];
    for runtime in [&first, &second] {
        runtime.block_on(async {
            get(&client, &own.uri()).await.unwrap();
            turns().await;
        });
    }
    assert_eq!(own.outbound.connections().len(), 2);
    drop(first);
    assert_eq!(own.outbound.connections().len(), 1);
    // The place is free.
    let (third, (stop, thread)) = (runtime(), drive(second));
    third.block_on(get(&client, &own.uri())).unwrap();
    assert_eq!(own.outbound.connections().len(), 2);
    drop((stop, client));
    thread.join().unwrap();
}

#[test]
fn idle_timeout_holds_after_the_first_runtime_is_gone() {
    let own = Own::new();
    let pool = own.outbound.client_builder().pool(|pool| pool.idle_timeout(Duration::from_millis(50)));
    let client = pool.build();
    let [first, second] = [runtime(), runtime()];
    for runtime in [&first, &second] {
        runtime.block_on(get(&client, &own.uri())).unwrap();
    }
    drop(first);
    second.block_on(get(&client, &own.uri())).unwrap();
    let (stop, thread) = drive(second);
    own.wait_until(|recorder| recorder.gauges() == (0, 0));
    assert_eq!(own.recorder.close_reasons().last(), Some(&"idle_timeout"));
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn runtimes_under_load_stay_within_the_limit() {
    let own = Own::new();
    let client = own.client(4);
    let runtimes =
        [(); 2].map(|()| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    let calls = runtimes.iter().flat_map(|runtime| {
        (0..16).map(|_| {
            let (client, uri) = (client.clone(), own.uri());
            runtime.spawn(async move {
                for _ in 0..50 {
                    get(&client, &uri).await.unwrap();
                }
            })
        })
    });
    let calls: Vec<_> = calls.collect();
    own.peers.block_on(async {
        for call in calls {
            call.await.unwrap();
        }
    });
    // The server may learn of a close after the next connection.
    assert!(own.server.peak() <= 8, "{} sockets", own.server.peak());
    drop((client, runtimes));
    own.wait_until(|recorder| recorder.gauges() == (0, 0));
    own.recorder.assert_balanced();
}
