//! A pooled client with TLS and all layers in place: `cargo run -p clients --bin outbound_client -- URI`.

use std::process::ExitCode;

use tower_outbound::{BoxError, Failure, Outbound, ResponseExt};

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
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.into_body().bytes().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
