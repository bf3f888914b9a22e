//! `caller → service → upstream`: an axum handler that calls an upstream through the layers.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tower_outbound::OutboundClient;

/// The response time of the upstream.
const WORK: Duration = Duration::from_millis(2);
const CALLERS: usize = 4;
/// Pause of a caller between two requests, so that the service is not saturated.
const PAUSE: Duration = Duration::from_micros(500);

/// Starts the upstream on its own thread. Returns its address.
pub(crate) fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let respond = async || {
                tokio::time::sleep(WORK).await;
                "hello"
            };
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().route("/", get(respond))).await.unwrap();
        });
    });
    address
}

/// Starts the service. Returns its URI.
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

/// The latencies of `count` requests. [`CALLERS`] send them concurrently, each with a [`PAUSE`] after a response.
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
