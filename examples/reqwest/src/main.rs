//! reqwest with the layers around it: `cargo run -p example-reqwest -- URI`.

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
    // Not needed with reqwest's default features.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Outbound::new().reqwest(reqwest::Client::builder())?;
    for _ in 0..2 {
        let response = client.get(&uri).send().await?; // passes the layers
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.bytes().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
