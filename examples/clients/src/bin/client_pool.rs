//! hyper-util's composable pools, with one HTTP/2 connection per origin:
//! `cargo run -p clients --bin client_pool -- http://HOST:PORT/PATH`.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper_util::client::pool::{map::Map, singleton::Singleton};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_outbound::hyper::HandshakeLayer;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::retry::LeasedBody;
use tower_outbound::{BoxError, Failure, Outbound, ResponseExt};

/// The body of a request below the layers.
type Sent = ObserveRequestBody<LeasedBody<String>>;

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri: Uri = std::env::args().nth(1).expect("a URI as argument").parse()?;
    let outbound = Outbound::new();
    let connector = outbound.connector(outbound.http_connector());
    let connect = HandshakeLayer::<_, Sent>::http2().layer(connector);
    let origins = Map::builder::<Uri>().keys(|uri: &Uri| uri.authority().cloned());
    let pool = Arc::new(Mutex::new(origins.values(move |_| Singleton::new(connect.clone())).build()));
    let client = service_fn(move |request: Request<Sent>| {
        let mut origin = pool.lock().unwrap().service(request.uri()).clone();
        async move {
            loop {
                let mut connection = origin.ready().await?.call(request.uri().clone()).await?;
                if connection.ready().await.is_ok() {
                    return Ok::<_, BoxError>(connection.call(request).await?);
                } // otherwise the peer closed it, and the pool removed it
            }
        }
    });
    let service = ServiceBuilder::new().layer(outbound.layer()).service(client);
    for _ in 0..2 {
        let response = service.clone().oneshot(Request::get(&uri).body(String::new())?).await?;
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.into_body().collect().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
