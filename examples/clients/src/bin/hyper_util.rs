//! hyper-util's pooled client, put together by hand: `hyper_util URI`.

use std::process::ExitCode;

use http_body_util::BodyExt;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{ServiceBuilder, ServiceExt};
use tower_outbound::{BoxError, Failure, Outbound, Timings};

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
        .wrap_connector(outbound.http_connector()); // resolver and TCP, each timed
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new()) // else idle connections stay for ever
        .pool_idle_timeout(outbound.idle_timeout())
        .retry_canceled_requests(false) // ours are bounded and seen
        .build(outbound.connector(https)); // tracked, above TLS
    let service = ServiceBuilder::new().layer(outbound.layer()).service(client);
    for _ in 0..2 {
        let response = service.clone().oneshot(http::Request::get(&*uri).body(String::new())?).await?;
        let timings = response.extensions().get::<Timings>().cloned().unwrap();
        response.into_body().collect().await?; // complete when the body has ended
        println!("{timings}");
    }
    Ok(())
}
