//! reqwest, under every layer that it lets in: `reqwest URI`.

use std::process::ExitCode;

use tower_outbound::{BoxError, Failure, Outbound, Timings};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    // With reqwest's default features it brings a provider of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Outbound::new().reqwest(reqwest::Client::builder())?;
    for _ in 0..2 {
        let request = client.get_ref().get(&uri).build()?;
        let response = client.execute(request).await?;
        let timings = response.extensions().get::<Timings>().cloned().unwrap();
        response.bytes().await?; // complete when the body has ended
        println!("{timings}");
    }
    Ok(())
}
