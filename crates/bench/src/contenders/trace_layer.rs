//! A stack of tower as people write it: tower-http's `TraceLayer`, retry, timeout and limit. It propagates nothing.

use std::future::{Ready, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tower::ServiceBuilder;
use tower::retry::Policy;
use tower_http::trace::TraceLayer;
use tracing::Span;
use tracing::field::Empty;

use super::bare;
use crate::load::{Outcome, Run, Svc, Up};
use crate::telemetry::Peer;

const RETRIES: u32 = 3;
const TIMEOUT: Duration = Duration::from_secs(30);
const IN_FLIGHT: usize = 64;

pub(super) async fn run(run: &Run) -> Outcome {
    let peer = Peer::install(run.setting.observe, run.to.receiver);
    let trace = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_request(())
        .on_response(|response: &Response<Incoming>, _: Duration, span: &Span| {
            span.record("http.response.status_code", response.status().as_u16());
        })
        .on_body_chunk(())
        .on_eos(());
    let service = ServiceBuilder::new()
        .layer(trace)
        .retry(Retries(RETRIES))
        .timeout(TIMEOUT)
        .concurrency_limit(IN_FLIGHT)
        .service(bare::plain(run.setting.traffic));
    let job = run.job();
    run.drive(|| Svc::new(service.clone(), job.clone()), peer.flush).await
}

fn span(request: &Request<Up>) -> Span {
    let uri = request.uri();
    tracing::info_span!(
        "HTTP",
        otel.kind = "client",
        otel.name = request.method().as_str(),
        http.request.method = request.method().as_str(),
        url.full = %uri,
        url.scheme = uri.scheme_str().unwrap_or_default(),
        server.address = uri.host().unwrap_or_default(),
        server.port = uri.port_u16().unwrap_or(80),
        http.response.status_code = Empty,
        otel.status_code = Empty,
    )
}

#[derive(Clone, Debug)]
struct Retries(u32);

impl<B, E> Policy<Request<Up>, Response<B>, E> for Retries {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Up>, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        let again = result.as_ref().map_or(true, |response| response.status().is_server_error());
        (again && self.0 > 0).then(|| {
            self.0 -= 1;
            ready(())
        })
    }

    fn clone_request(&mut self, request: &Request<Up>) -> Option<Request<Up>> {
        Some(request.clone())
    }
}
