//! A peer that is restarted kills its idle connections all at once.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Barrier;

use tokio::runtime::{Builder, Runtime};

use super::*;

const IDLE: usize = 50;
const CALLERS: usize = 32;
const RUNS: usize = 20;

/// Has threads of its own, as a peer has. Its listener stays, as one does that is handed over at a restart.
struct Peer {
    address: SocketAddr,
    accepted: Arc<Mutex<Vec<TcpStream>>>,
}

impl Peer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The first answers wait for each other, so that each needs a connection.
        let (accepted, together) = (Arc::<Mutex<Vec<TcpStream>>>::default(), Arc::new(Barrier::new(IDLE)));
        let (streams, barrier) = (accepted.clone(), together);
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let barrier = (n < IDLE).then(|| barrier.clone());
                std::thread::spawn(move || serve(stream, barrier));
            }
        });
        Self { address, accepted }
    }

    /// All connections end before this returns.
    fn restart(&self) {
        for stream in self.accepted.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
}

fn serve(mut stream: TcpStream, mut barrier: Option<Arc<Barrier>>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
        if let Some(barrier) = barrier.take() {
            barrier.wait();
        }
        if stream.write_all(OK.as_bytes()).is_err() {
            return;
        }
    }
}

/// Restarts a peer below 50 idle connections; 32 calls right after it.
async fn restarted(resends: usize) {
    let peer = Peer::start();
    let bench = Bench::new();
    let client = bench.stack(bench.outbound.connector(bench.outbound.http_connector()), &bench.layer());
    let uri: http::Uri = format!("http://{}/", peer.address).parse().unwrap();
    let warm = (0..IDLE).map(|_| read(&client, get(uri.clone())));
    for answer in futures_util::future::join_all(warm).await {
        answer.unwrap();
    }
    bench.recorder.wait_until(|recorder| recorder.gauges() == (0, IDLE as i64)).await;

    peer.restart();
    let calls = (0..CALLERS).map(|_| send(&client, post(uri.clone(), upload("hello"))));
    for answer in futures_util::future::join_all(calls).await {
        let response = answer.unwrap_or_else(|error| panic!("{error:?}"));
        let history = response.extensions().get::<tower_outbound::RetryHistory>();
        assert!(history.is_none_or(|history| history.len() <= resends), "{history:?}");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    let new = peer.accepted.lock().unwrap().len();
    assert!(new <= CALLERS, "{new} new connections");
    drop(client);
    bench.recorder.settled().await;
}

fn run(runtime: &Runtime, resends: usize) {
    for _ in 0..RUNS {
        runtime.block_on(restarted(resends));
    }
}

#[test]
fn after_a_restart_no_call_fails_on_one_thread() {
    run(&Builder::new_current_thread().enable_all().build().unwrap(), 1);
}

#[test]
fn after_a_restart_no_call_fails_on_many_threads() {
    // Where other threads are late, more dead connections may still be in the pool.
    run(&Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap(), 5);
}
