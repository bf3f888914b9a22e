//! Three calls to two services under one time limit: `cargo run -p clients --bin operation -- USERS ORDERS`.

use std::process::ExitCode;
use std::time::Duration;

use tower_outbound::operation::{Operation, Step, StepError};
use tower_outbound::{BoxError, Deadline, Failure, Outbound, OutboundClient};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

async fn get(client: &OutboundClient, uri: &str) -> Result<String, BoxError> {
    let response = client.get(uri).await?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status()).into());
    }
    Ok(response.into_body().text().await?) // within the same limit
}

/// The steps. Each `?` ends them; what is not reached is in the report.
async fn checkout(call: &Operation, client: &OutboundClient, uris: [&str; 2]) -> Result<(), StepError> {
    let [users, orders] = uris;
    call.step("user", get(client, users)).await?;
    call.step("cart", get(client, orders)).await?;
    call.step("order", get(client, orders)).await?;
    Ok(())
}

async fn run() -> Result<(), BoxError> {
    let uris: Vec<_> = std::env::args().skip(1).collect();
    let users = uris.first().expect("a URI as argument");
    let uris = [users, uris.get(1).unwrap_or(users)].map(String::as_str);
    let outbound = Outbound::new(); // with an observer: spans and metrics of the operation, its steps and their calls
    let client = outbound.client();
    // Once, at the start of the service. Names and targets are labels of metrics.
    let declared = outbound
        .operation("checkout")
        .step(Step::new("user").server_address("users"))
        .step(Step::new("cart").server_address("orders"))
        .step(Step::new("order").server_address("orders"));
    // For each request.
    let operation = declared.start(Deadline::after(Duration::from_secs(2)));
    let result = checkout(&operation, &client, uris).await;
    println!("{}", operation.finish());
    Ok(result?)
}
