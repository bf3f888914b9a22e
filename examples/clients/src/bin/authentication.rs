//! A bearer token on each request, above the retry layer and below it: `authentication URI`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt};
use tower_outbound::{BoxError, Failure, Outbound, Timings};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

/// Stands for a token that a task renews ahead of time, so that no request waits for it.
fn sign<B>(mut request: Request<B>) -> Request<B> {
    static TOKENS: AtomicU64 = AtomicU64::new(1);
    let token = format!("Bearer token-{}", TOKENS.fetch_add(1, Ordering::Relaxed));
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(token).expect("visible ASCII"));
    request
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    let again = [StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE];
    let outbound = Outbound::builder().retry(|retry| retry.status(again).max_retries(0)).build();
    let client = outbound.client(); // sends nothing again: the layer here does
    let retry = outbound.retry_layer().max_retries(2);
    let once = ServiceBuilder::new().map_request(sign).layer(retry.clone()).service(client.clone());
    let anew = ServiceBuilder::new().layer(retry).map_request(sign).service(client);
    for service in [once.boxed_clone(), anew.boxed_clone()] {
        let response = service.oneshot(Request::get(&*uri).body(String::new())?).await?;
        let timings = response.extensions().get::<Timings>().cloned().unwrap();
        response.into_body().collect().await?; // complete when the body has ended
        println!("{timings}");
    }
    Ok(())
}
