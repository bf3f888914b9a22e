//! tonic's channel with the layers around it: `cargo run -p example-tonic -- http://HOST:PORT`.
//!
//! It calls the standard health service. Any generated client takes the channel in the same way.

use std::process::ExitCode;

use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower_outbound::retry::RetryLayer;
use tower_outbound::{BoxError, Failure, Outbound, ResponseExt as _};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}", Failure::of(&*error)); // kind and phase; a `Status` prints much more
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    let outbound = Outbound::builder().retry(RetryLayer::grpc).build(); // retries UNAVAILABLE in trailers only
    let channel = outbound.tonic(Endpoint::from_shared(uri)?).connect_lazy();
    let mut client = HealthClient::new(channel);
    for _ in 0..2 {
        let response = client.check(HealthCheckRequest::default()).await?;
        let timings = response.timings().expect("the observe layer adds them");
        println!("{timings}");
    }
    Ok(())
}
