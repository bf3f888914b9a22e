//! One HTTP/2 connection of hyper: `cargo run -p clients --bin hyper_http2 -- http://HOST:PORT/PATH`.

use std::process::ExitCode;

use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt};
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
    let connection = io.connection().clone();
    let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection.drive(driver)); // names the connection to its attempts
    let service = ServiceBuilder::new().layer(outbound.layer()).service(HyperService::new(sender));
    for _ in 0..2 {
        let response = service.clone().oneshot(Request::get(&uri).body(String::new())?).await?;
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.into_body().collect().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
