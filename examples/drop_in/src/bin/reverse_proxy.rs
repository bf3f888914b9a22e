//! A reverse proxy on axum that continues its caller's trace: `cargo run -p drop-in --bin reverse_proxy -- UPSTREAM`.

use std::error::Error;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::Response;
use tokio::signal::unix::{SignalKind, signal};
use tower_outbound::{Class, Outbound, OutboundClient};
use tower_outbound_otel::OtelObserver;
use tower_outbound_telemetry::Telemetry;
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};

#[derive(Clone)]
struct Proxy {
    client: OutboundClient,
    upstream: Uri,
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Result<Response, StatusCode> {
    let (mut head, body) = request.into_parts();
    let mut uri = proxy.upstream.into_parts();
    uri.path_and_query = head.uri.path_and_query().cloned();
    head.uri = Uri::from_parts(uri).map_err(|_| StatusCode::BAD_REQUEST)?;
    // Headers that concern one connection only. `traceparent` and `tracestate` stay: they are the parent of our span.
    for name in [header::HOST, header::CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE] {
        head.headers.remove(name);
    }
    head.extensions.clear(); // what axum and hyper know of the caller's connection
    let response = proxy.client.request(Request::from_parts(head, body)).await.map_err(|error| {
        tracing::warn!(failure = %error.failure(), "upstream failed");
        match error.failure().class() {
            Some(Class::Timeout) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    })?;
    Ok(response.map(Body::new)) // streams; the attempt ends with the body
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = std::env::args().nth(1).ok_or("usage: reverse_proxy UPSTREAM")?.parse()?;
    let telemetry = Telemetry::from_env("proxy")?;
    let log = fmt::layer().with_writer(std::io::stderr); // the subscriber that the proxy had
    tracing_subscriber::registry().with(LevelFilter::INFO).with(log).with(telemetry.layer()).init();
    let client = Outbound::builder().observer(OtelObserver::new()).build().client();
    let app = Router::new().fallback(forward).with_state(Proxy { client, upstream });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, app).with_graceful_shutdown(async move { terminate.recv().await.unwrap() }).await?;
    let _losses = telemetry.shutdown().await; // exports the rest, within 5 s
    Ok(())
}
