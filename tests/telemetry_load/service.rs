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

pub(crate) async fn latencies(caller: &OutboundClient, service: &str, count: usize) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let response = caller.get(service).await.unwrap();
        response.into_body().collect().await.unwrap();
        latencies.push(begin.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    latencies
}
