//! A bearer token above the retry layer, and below it: `cargo run -p clients --bin authentication -- URI`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use tower::{ServiceBuilder, ServiceExt};
use tower_outbound::{BoxError, Failure, Outbound, ResponseExt};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

/// Adds a token. In your service a task renews the token ahead of time, so that no request waits for it.
fn sign<B>(mut request: Request<B>) -> Request<B> {
    static TOKENS: AtomicU64 = AtomicU64::new(1);
    let token = format!("Bearer token-{}", TOKENS.fetch_add(1, Ordering::Relaxed));
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(token).expect("visible ASCII"));
    request
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    let retried = [StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE];
    let outbound = Outbound::builder().retry(|retry| retry.status(retried).max_retries(0)).build();
    let client = outbound.client(); // without retries: `retry`, outside, does them
    let retry = outbound.retry_layer().max_retries(2);
    let same_token = ServiceBuilder::new().map_request(sign).layer(retry.clone()).service(client.clone());
    let fresh_token = ServiceBuilder::new().layer(retry).map_request(sign).service(client);
    for service in [same_token.boxed_clone(), fresh_token.boxed_clone()] {
        let response = service.oneshot(Request::get(&*uri).body(String::new())?).await?;
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.into_body().bytes().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
