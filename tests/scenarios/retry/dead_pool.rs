//! A restarted peer kills all its idle connections at once: after one dead connection, the other idle ones are not
//! tried.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};

use hyper_util::client::legacy::connect::capture_connection;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tower::Service as _;
use tower_outbound::Connection;
use tower_outbound::connect::ConnectionState;
use tower_outbound::retry::RetryHistory;

use super::*;

const IDLE: usize = 50;
const CALLERS: usize = 32;
const RUNS: usize = 20;

/// A server with threads of its own. Its listener survives a restart, like a listener that is handed over.
struct Peer {
    address: SocketAddr,
    accepted: Arc<Mutex<Vec<TcpStream>>>,
    /// Notified when the first request for `/silence` arrives, which gets no response.
    silent: Arc<Notify>,
}

impl Peer {
    /// The first `first` responses wait for each other, so that the client needs as many connections.
    fn start(first: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, together) = (Arc::<Mutex<Vec<TcpStream>>>::default(), Arc::new(Barrier::new(first)));
        let (silent, silenced) = (Arc::<Notify>::default(), Arc::new(AtomicBool::new(false)));
        let (streams, notify) = (accepted.clone(), silent.clone());
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let together = (n < first).then(|| together.clone());
                let (notify, silenced) = (notify.clone(), silenced.clone());
                std::thread::spawn(move || serve(stream, together, &notify, &silenced));
            }
        });
        Self { address, accepted, silent }
    }

    /// Closes a connection before this returns.
    fn close(&self, connection: &Connection) {
        let address = connection.local_addr().unwrap();
        let accepted = self.accepted.lock().unwrap();
        let mut streams = accepted.iter().filter(|stream| stream.peer_addr().unwrap() == address);
        streams.next().unwrap().shutdown(Shutdown::Both).unwrap();
    }

    /// Closes all connections before this returns.
    fn restart(&self) {
        for stream in self.accepted.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
}

fn serve(mut stream: TcpStream, mut together: Option<Arc<Barrier>>, silent: &Notify, silenced: &AtomicBool) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if let Some(together) = together.take() {
            together.wait();
        }
        if buffer[..count].starts_with(b"GET /silence") && !silenced.swap(true, Ordering::SeqCst) {
            silent.notify_one();
            continue;
        }
        if stream.write_all(OK.as_bytes()).is_err() {
            return;
        }
    }
}

/// Restarts a peer with 50 idle connections and sends 32 calls at once. With `held`, the runtime's only thread notices
/// the restart after the calls have started.
fn restarted(runtime: &Runtime, held: bool) {
    let peer = Peer::start(IDLE);
    let fixture = Fixture::new();
    let client =
        fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &fixture.layer());
    let uri: http::Uri = format!("http://{}/", peer.address).parse().unwrap();
    runtime.block_on(async {
        let warm = (0..IDLE).map(|_| fetch(&client, get(uri.clone())));
        for response in futures_util::future::join_all(warm).await {
            response.unwrap();
        }
        fixture.recorder.wait_until(|recorder| recorder.gauges() == (0, IDLE as i64)).await;
    });

    let release = held.then(|| hold(runtime));
    peer.restart();
    let call = |_| runtime.spawn(client.clone().oneshot(post(uri.clone(), upload("hello"))));
    let calls: Vec<_> = (0..CALLERS).map(call).collect();
    drop(release);
    runtime.block_on(async {
        for call in calls {
            let response = call.await.unwrap().unwrap_or_else(|error| panic!("{error:?}"));
            let history = response.extensions().get::<RetryHistory>();
            assert!(history.is_none_or(|history| history.len() <= 1), "{history:?}");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        }
        let new = peer.accepted.lock().unwrap().len();
        assert!(new <= CALLERS, "{new} new connections");
        drop(client);
        fixture.recorder.settled().await;
    });
}

/// Blocks the runtime's only thread until the returned sender is dropped.
fn hold(runtime: &Runtime) -> mpsc::Sender<()> {
    let (holds, is_held) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    runtime.spawn(async move {
        holds.send(()).unwrap();
        let _ = released.recv();
    });
    is_held.recv().unwrap();
    release
}

fn threads(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

#[test]
fn dead_pool_restart_retries_once_at_most_on_single_thread() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    (0..RUNS).for_each(|_| restarted(&runtime, false));
}

#[test]
fn dead_pool_restart_retries_once_at_most_on_many_threads() {
    let runtime = threads(4);
    (0..RUNS / 4).for_each(|_| restarted(&runtime, false));
}

#[test]
fn dead_pool_unseen_restart_retries_once_at_most() {
    let runtime = threads(1);
    (0..RUNS).for_each(|_| restarted(&runtime, true));
}

/// Opens `count` idle connections and returns the connection that was used last.
async fn idle<C>(fixture: &Fixture, client: &Stack<C>, uri: &http::Uri, count: usize) -> Connection
where
    C: Connect + Clone + Send + Sync + 'static,
{
    for response in futures_util::future::join_all((0..count).map(|_| fetch(client, get(uri.clone())))).await
    {
        response.unwrap();
    }
    let last = last(client, uri).await;
    fixture.recorder.wait_until(|recorder| recorder.gauges() == (0, count as i64)).await;
    last
}

/// The connection that was used last, which the pool uses next.
async fn last<C>(client: &Stack<C>, uri: &http::Uri) -> Connection
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let response = send(client, get(uri.clone())).await.unwrap();
    let last = response.extensions().get::<Connection>().unwrap().clone();
    response.into_body().collect().await.unwrap();
    last
}

fn reasons(response: &StackResponse) -> Vec<&'static str> {
    let history = response.extensions().get::<RetryHistory>();
    history.map_or_else(Vec::new, |history| history.iter().map(|attempt| attempt.reason().as_str()).collect())
}

#[tokio::test]
async fn dead_pool_evicts_idle_connection_beside_dead_connection() {
    let (peer, fixture) = (Peer::start(2), Fixture::new());
    let client =
        fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &fixture.layer());
    let uri: http::Uri = format!("http://{}/", peer.address).parse().unwrap();
    let last = idle(&fixture, &client, &uri, 2).await;
    let before = fixture.outbound.connections();

    // The runtime's only thread sends the next call before it notices the close.
    peer.close(&last);
    let response = send(&client, get(uri)).await.unwrap();
    assert_eq!(reasons(&response), ["reused_connection"]);
    let new = response.extensions().get::<Connection>().unwrap().clone();
    assert!(!before.contains(&new));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");

    fixture.recorder.wait_until(|recorder| recorder.close_reasons().len() == 2).await;
    let mut closed = fixture.recorder.close_reasons();
    closed.sort_unstable();
    assert_eq!(closed, ["evicted", "peer_closed"]);
    assert_eq!(fixture.recorder.count("ConnectionRetired"), 1);
    assert_eq!(fixture.outbound.connections(), [new]);
    drop(client);
    fixture.recorder.settled().await;
}

#[tokio::test]
async fn dead_pool_keeps_idle_if_connection_died_of_request() {
    let (peer, fixture) = (Peer::start(2), Fixture::new());
    let layer = fixture.layer().idempotent();
    let client = fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &layer);
    let uri: http::Uri = format!("http://{}/", peer.address).parse().unwrap();
    let last = idle(&fixture, &client, &uri, 2).await;

    let silence = format!("{uri}silence").parse().unwrap();
    let call = tokio::spawn(client.clone().oneshot(get(silence)));
    peer.silent.notified().await;
    assert_eq!(last.state(), ConnectionState::Active);
    peer.close(&last);

    let response = call.await.unwrap().unwrap();
    assert_eq!(reasons(&response), ["idempotent"]);
    assert_eq!(fixture.outbound.connections(), [response.extensions().get::<Connection>().unwrap().clone()]);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    drop(client);
    fixture.recorder.settled().await;
    assert_eq!(fixture.recorder.close_reasons(), ["peer_closed", "dropped"]);
}

#[tokio::test]
async fn dead_pool_evicts_connection_known_from_second_use() {
    let (peer, fixture) = (Peer::start(2), Fixture::new());
    let mut client =
        fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &fixture.layer());
    let uri: http::Uri = format!("http://{}/", peer.address).parse().unwrap();
    // The first request asks for its connection's handle, and never gets a connection.
    drop(client.call(get(uri.clone())));
    for _ in 0..2 {
        let (one, other) = (client.call(get(uri.clone())), client.call(get(uri.clone())));
        let (one, other) = tokio::join!(one, other);
        // The response bodies are not read.
        drop((one.unwrap(), other.unwrap()));
        fixture.recorder.wait_until(|recorder| recorder.gauges() == (0, 2)).await;
    }
    let last = last(&client, &uri).await;

    peer.close(&last);
    let response = send(&client, get(uri)).await.unwrap();
    assert_eq!(reasons(&response), ["reused_connection"]);
    drop(response);
    assert_eq!(fixture.recorder.count("ConnectionRetired"), 1);
    drop(client);
    fixture.recorder.settled().await;
}

#[tokio::test]
async fn capture_connection_of_caller_is_filled_each_time() {
    let (peer, fixture) = (Peer::start(1), Fixture::new());
    let client =
        fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &fixture.layer());
    let uri: http::Uri = format!("http://{}/", peer.address).parse().unwrap();
    for _ in 0..3 {
        let mut request = get(uri.clone());
        let capture = capture_connection(&mut request);
        fetch(&client, request).await.unwrap();
        assert!(capture.connection_metadata().is_some());
    }
}
