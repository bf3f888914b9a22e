//! An upload that is retried only if no connection could be made: `cargo run -p example-connect-only -- URI`.
//!
//! The server may have acted on whatever it received, so no request that was sent is sent again.

use std::process::ExitCode;
use std::time::Duration;

use tower_outbound::retry::RetryLayer;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Class, Error, Outbound, ResponseExt};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = upload().await else { return ExitCode::SUCCESS };
    let failure = error.failure();
    // timeout, connection_refused, connection_reset or network_error. `None` is no failure of the network.
    let class = failure.class().map_or("other", Class::as_str);
    let attempts = error.history().len() + 1;
    eprintln!("{class} after {attempts} attempts: {failure}");
    ExitCode::FAILURE
}

async fn upload() -> Result<(), Error> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    let timeouts = Timeouts::new()
        .write_idle(Duration::from_secs(60)) // the server reads nothing
        .first_byte(Duration::from_secs(60)) // the server does not respond
        .body_idle(Duration::from_secs(60)); // the response stops midway
    let client = Outbound::builder()
        .connect_timeout(Duration::from_secs(5)) // DNS, TCP and TLS together
        .timeouts(timeouts)
        .max_in_flight_per_origin(50) // further requests wait
        .retry(RetryLayer::connect_only) // once
        .build()
        .client();
    for _ in 0..2 {
        let response = client.post(&*uri, vec![b'.'; 1 << 20]).await?;
        let timings = response.timings().cloned().expect("the client has the observe layer inside");
        response.into_body().bytes().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
