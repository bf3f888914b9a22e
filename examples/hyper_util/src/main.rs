//! hyper-util's pooled client with every layer: `cargo run -p example-hyper-util -- URI`.

use std::process::ExitCode;

use http_body_util::BodyExt;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{ServiceBuilder, ServiceExt};
use tower_outbound::{BoxError, Failure, Outbound, ResponseExt};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    let outbound = Outbound::new();
    let https = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(outbound.http_connector()); // times DNS and each TCP connect
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new()) // without it, idle connections are never closed
        .pool_idle_timeout(outbound.idle_timeout()) // as `Outbound`, so that the close reason is right
        .retry_canceled_requests(false) // the retry layer does it, with a limit
        .build(outbound.connector(https)); // tracks connections, above TLS
    let service = ServiceBuilder::new().layer(outbound.layer()).service(client);
    for _ in 0..2 {
        let response = service.clone().oneshot(http::Request::get(&*uri).body(String::new())?).await?;
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.into_body().collect().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
