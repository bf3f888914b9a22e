//! A stack with a trace, a timeout and a retry of its own: `cargo run -p drop-in --bin existing_stack -- URI`.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::retry::{Policy, RetryLayer};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::trace::TraceLayer;
use tower_outbound::{BoxError, Outbound, ResponseExt};

/// The policy that the application had: two more tries of what failed.
#[derive(Clone)]
struct TwoMore(u32);

type Get = Request<Empty<&'static [u8]>>;

impl<T> Policy<Get, Response<T>, BoxError> for TwoMore {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Get, result: &mut Result<Response<T>, BoxError>) -> Option<Self::Future> {
        self.0 = result.is_err().then(|| self.0.checked_sub(1)).flatten()?;
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Get) -> Option<Get> {
        Some(request.clone())
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let uri = std::env::args().nth(1).expect("a URI as argument");
    let outbound = Outbound::builder().retry(|retry| retry.max_retries(0)).build(); // the stack has a retry
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(outbound.idle_timeout())
        .retry_canceled_requests(false)
        .build(outbound.connector(outbound.http_connector()));
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(TwoMore(2)))
        .timeout(Duration::from_secs(5)) // of each try
        .layer(TraceLayer::new_for_http())
        .layer(outbound.layer()) // the last one before the client
        .service(client);
    for _ in 0..2 {
        let response = service.clone().oneshot(Request::get(&*uri).body(Empty::new())?).await?;
        let timings = response.timings().cloned().expect("the observe layer adds them");
        response.into_body().collect().await?;
        println!("{timings}"); // complete, because the body has ended
    }
    Ok(())
}
