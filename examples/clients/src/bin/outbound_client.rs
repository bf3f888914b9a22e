//! A pooled client with TLS and every layer in its place: `outbound_client URI`.

use std::process::ExitCode;

use http_body_util::BodyExt;
use tower_outbound::{BoxError, Failure, Outbound, Timings};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    let client = Outbound::new().client();
    for _ in 0..2 {
        let response = client.get(&*uri).await?;
        let timings = response.extensions().get::<Timings>().cloned().unwrap();
        response.into_body().collect().await?; // complete when the body has ended
        println!("{timings}");
    }
    Ok(())
}
