//! An axum service whose handler calls another service: `cargo run -p example-axum -- UPSTREAM [LISTEN]`.
//!
//! `OTEL_EXPORTER_OTLP_ENDPOINT` names the collector; `OTEL_SDK_DISABLED=true` turns spans and metrics off.

use std::error::Error;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use tokio::signal::unix::{SignalKind, signal};
use tower_outbound::{Class, Outbound, OutboundClient, RequestExt, ResponseExt};
use tower_outbound_otel::OtelObserver;
use tower_outbound_telemetry::Telemetry;
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};

#[derive(Clone)]
struct App {
    client: OutboundClient,
    upstream: String,
}

/// Fetches an item from the upstream. One client serves all handlers; its clones share the pool.
async fn stock(State(app): State<App>, Path(item): Path<String>) -> Result<String, StatusCode> {
    let request = Request::get(format!("{}/stock/{item}", app.upstream))
        .body(String::new())
        .map_err(|_| StatusCode::BAD_REQUEST)?
        .url_template("/stock/{item}"); // names the span and the metrics: one series, not one for each item
    let response = app.client.request(request).await.map_err(|error| bad_gateway(&error))?;
    if !response.status().is_success() {
        return Err(StatusCode::BAD_GATEWAY); // a response with an error status is not an error of the client
    }
    let timings = response.timings().cloned();
    let text = response.into_body().text().await.map_err(|error| bad_gateway(&error))?;
    if let Some(timings) = timings {
        tracing::info!(%timings, "upstream answered"); // complete, because the body has ended
    }
    Ok(text)
}

/// Logs the failure and its cause. The caller receives a status, and no address of the upstream.
fn bad_gateway(error: &tower_outbound::Error) -> StatusCode {
    let failure = error.failure();
    tracing::warn!(error = error as &dyn Error, kind = failure.kind().as_str(), "upstream failed");
    match failure.class() {
        Some(Class::Timeout) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// Resolves on ctrl-c, and on SIGTERM, which orchestrators send.
async fn shutdown_signal() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! { _ = tokio::signal::ctrl_c() => {} _ = terminate.recv() => {} }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let upstream = arguments.next().ok_or("usage: example-axum UPSTREAM [LISTEN]")?;
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let telemetry = Telemetry::from_env("shop")?;
    let log = fmt::layer().with_writer(std::io::stderr);
    // The last layer exports the application's own spans.
    tracing_subscriber::registry().with(LevelFilter::INFO).with(log).with(telemetry.layer()).init();
    let client = Outbound::builder().observer(OtelObserver::new()).build().client();

    let app = Router::new().route("/stock/{item}", get(stock)).with_state(App { client, upstream });
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(shutdown_signal()).await?;

    let report = telemetry.shutdown().await; // exports the rest, within 5 s
    if !report.is_complete() {
        eprintln!("telemetry: {report}"); // lost telemetry is no reason to fail
    }
    Ok(())
}
