//! `caller → service → upstream`: an axum handler that calls an upstream through the layers.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tower_outbound::OutboundClient;

/// What the upstream takes for an answer.
const WORK: Duration = Duration::from_millis(2);
/// Between two requests: a service that is not at its limit.
const CALLERS: usize = 4;
const PAUSE: Duration = Duration::from_micros(500);

/// On a thread of its own, as a peer has its own processor.
pub(crate) fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = async || {
                tokio::time::sleep(WORK).await;
                "hello"
            };
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().route("/", get(answer))).await.unwrap();
        });
    });
    address
}

/// The service; its URI.
pub(crate) async fn start(client: OutboundClient, upstream: SocketAddr) -> String {
    let call = async move |State(client): State<OutboundClient>| {
        let response = client.get(format!("http://{upstream}/")).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(call)).with_state(client);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}

/// Of so many requests by a few callers, each of which sends the next one a moment after its last answer.
pub(crate) async fn latencies(caller: &OutboundClient, service: &str, count: usize) -> Vec<Duration> {
    let callers = (0..CALLERS).map(|_| {
        let (caller, service) = (caller.clone(), service.to_owned());
        tokio::spawn(async move {
            let mut latencies = Vec::with_capacity(count / CALLERS);
            for _ in 0..count / CALLERS {
                let begin = Instant::now();
                let response = caller.get(&*service).await.unwrap();
                response.into_body().collect().await.unwrap();
                latencies.push(begin.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            latencies
        })
    });
    let mut latencies = Vec::with_capacity(count);
    for caller in callers.collect::<Vec<_>>() {
        latencies.extend(caller.await.unwrap());
    }
    latencies
}
