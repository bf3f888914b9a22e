//! tonic's channel, here under the client of the standard health service: `tonic http://HOST:PORT`.

use std::process::ExitCode;

use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower_outbound::retry::RetryLayer;
use tower_outbound::{BoxError, Failure, Outbound, Timings};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}", Failure::of(&*error)); // its kind and phase; what tonic says is long
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    // What is answered with UNAVAILABLE, in trailers only, is sent again.
    let outbound = Outbound::builder().retry(RetryLayer::grpc).build();
    let channel = outbound.tonic(Endpoint::from_shared(uri)?).connect_lazy();
    let mut client = HealthClient::new(channel); // and so each generated client
    for _ in 0..2 {
        let response = client.check(HealthCheckRequest::default()).await?;
        println!("{}", response.extensions().get::<Timings>().unwrap());
    }
    Ok(())
}
