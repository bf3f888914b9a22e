//! One HTTP/1 connection of hyper: `cargo run -p clients --bin hyper_http1 -- http://HOST:PORT/PATH`.

use std::process::ExitCode;

use http::header::HOST;
use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use tower::{Layer, Service, ServiceExt};
use tower_outbound::hyper::HyperService;
use tower_outbound::{BoxError, Failure, Outbound, ResponseExt};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri: Uri = std::env::args().nth(1).expect("a URI as argument").parse()?;
    let outbound = Outbound::new();
    let io = outbound.connector(outbound.http_connector()).oneshot(uri.clone()).await?;
    let (sender, driver) = http1::handshake(io).await?;
    tokio::spawn(driver);
    // The sender cannot be cloned, so neither retries nor limits go around it.
    let mut service = outbound.observe_layer().origin(&uri).layer(HyperService::new(sender));
    for _ in 0..2 {
        // hyper sends the request as it is, so it needs the path only, and `Host`.
        let request = Request::get(uri.path()).header(HOST, uri.authority().unwrap().as_str());
        let response = service.ready().await?.call(request.body(String::new())?).await?;
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.into_body().collect().await?; // frees the connection
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
