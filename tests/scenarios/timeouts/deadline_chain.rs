//! edge → gateway → twin → upstream, with 300 ms at the edge: the deadline goes through, and one trace shows it.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request as Incoming;
use axum::http::StatusCode;
use axum::routing::get;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName};
use http_body_util::Empty;
use hyper::body::Incoming as Received;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use opentelemetry::global;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower::{Service, ServiceExt as _, service_fn};
use tower_outbound::connect::WithoutInfo;
use tower_outbound::deadline::{DeadlineHeaders, IncomingDeadlineLayer};
use tower_outbound::pool::Pool;
use tower_outbound::{Class, Deadline, RequestExt as _};
use tower_outbound_otel::OtelObserver;

use super::*;

const HEADER: HeaderName = HeaderName::from_static("x-timeout-ms");
const TRACE: HeaderName = HeaderName::from_static("traceparent");
/// What each service does before its call.
const WORK: Duration = Duration::from_millis(10);

type Io = WithoutInfo<TokioIo<tokio::io::DuplexStream>>;
type Codec = ProstCodec<String, String>;

fn headers() -> DeadlineHeaders {
    DeadlineHeaders::new().http(HEADER)
}

/// What each service saw: its name, the time that was left, and when.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(&'static str, Duration)>>>);

impl Seen {
    fn note(&self, service: &'static str) {
        let left = Deadline::current().expect("in the scope of the caller's deadline").remaining();
        self.0.lock().unwrap().push((service, left));
    }
}

/// Serves each connection that the returned connector opens.
fn serve<S, B>(
    service: S,
    http2: bool,
) -> impl Service<http::Uri, Response = Io, Error = io::Error, Future: Send + Unpin> + Clone + Send + Sync + 'static
where
    S: Service<http::Request<Received>, Response = Response<B>, Error = Infallible, Future: Send>,
    S: Clone + Send + Sync + 'static,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    service_fn(move |_: http::Uri| {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let service = service.clone();
        let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
        tokio::spawn(async move {
            let io = TokioIo::new(theirs);
            // It ends when the client closes it.
            if http2 {
                let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
            } else {
                let _ = http1::Builder::new().serve_connection(io, service).await;
            }
        });
        std::future::ready(Ok(WithoutInfo::new(TokioIo::new(ours))))
    })
}

fn outbound(traces: &SdkTracerProvider) -> Outbound {
    let observer = OtelObserver::builder().tracer_provider(traces).build();
    Outbound::builder().observer(observer).deadline_headers(headers()).build()
}

/// The upstream never answers.
fn upstream(seen: &Seen) -> Router {
    let seen = seen.clone();
    let handler = async move || {
        seen.note("upstream");
        std::future::pending::<()>().await;
    };
    Router::new().route("/", get(handler)).layer(IncomingDeadlineLayer::new(headers()))
}

fn to(trace: &HeaderMap) -> Request<Empty<Bytes>> {
    let mut request = Request::get("http://peer.test/").body(Empty::new()).unwrap();
    request.headers_mut().insert(TRACE, trace[&TRACE].clone());
    request
}

#[tokio::test(start_paused = true)]
async fn deadline_goes_from_edge_to_upstream_in_one_trace() {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let spans = InMemorySpanExporter::default();
    let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let seen = Seen::default();

    // The twin: a gRPC service of tonic that calls the upstream.
    let (stack, noted) = (outbound(&traces), seen.clone());
    let connector = stack.connector(serve(upstream(&seen), false));
    let calls = stack.layer().layer(Pool::builder().build(connector));
    let quote = service_fn(move |request: tonic::Request<String>| {
        let (calls, noted) = (calls.clone(), noted.clone());
        async move {
            noted.note("twin");
            tokio::time::sleep(WORK).await;
            let sent = calls.oneshot(to(request.metadata().as_ref()));
            match sent.await.map_err(|error| error.failure().class()) {
                Err(Some(Class::Timeout)) => Err(Status::deadline_exceeded("the upstream is late")),
                Err(_) => Err(Status::unavailable("the upstream is gone")),
                Ok(_) => Ok(tonic::Response::new(String::new())),
            }
        }
    });
    let twin = service_fn(move |request: http::Request<Received>| {
        let quote = quote.clone();
        async move { Ok::<_, Infallible>(tonic::server::Grpc::new(Codec::default()).unary(quote, request).await) }
    });
    let twin = IncomingDeadlineLayer::new(headers()).layer(twin);

    // The gateway: an axum service that calls the twin.
    let (stack, noted) = (outbound(&traces), seen.clone());
    let endpoint = Endpoint::from_static("http://twin.test");
    let channel = stack.tonic(endpoint).connector(serve(twin, true)).connect_lazy();
    let handler = async move |request: Incoming| {
        noted.note("gateway");
        tokio::time::sleep(WORK).await;
        let mut call = tonic::Request::new("item".to_owned());
        *call.metadata_mut() =
            tonic::metadata::MetadataMap::from_headers(to(request.headers()).headers().clone());
        let mut twin = Grpc::new(channel);
        twin.ready().await.unwrap();
        let path = PathAndQuery::from_static("/test.Twin/Quote");
        match twin.unary(call, path, Codec::default()).await.map(|_| ()).map_err(|status| status.code()) {
            Err(Code::DeadlineExceeded) => StatusCode::GATEWAY_TIMEOUT,
            Err(_) => StatusCode::BAD_GATEWAY,
            Ok(()) => StatusCode::OK,
        }
    };
    let gateway = Router::new().route("/", get(handler)).layer(IncomingDeadlineLayer::new(headers()));

    // The edge.
    let stack = outbound(&traces);
    let connector = stack.connector(serve(gateway, false));
    let edge = stack.layer().layer(Pool::builder().build(connector));
    let start = Instant::now();
    let request = Request::get("http://gateway.test/").body(Empty::<Bytes>::new()).unwrap();
    let response = edge.clone().oneshot(request.deadline(Deadline::after(ms(300)))).await.unwrap();
    let (status, took) = (response.status(), start.elapsed());
    response.into_body().collect().await.unwrap();

    // Each service sees less than the one before: the time before it, and 5 ms for its answer.
    let hops = seen.0.lock().unwrap().clone();
    let expected = [("gateway", ms(295)), ("twin", ms(280)), ("upstream", ms(265))];
    assert_eq!(hops, expected);
    // The last call is cut first, and each answer is in time.
    assert_eq!((status, took), (StatusCode::GATEWAY_TIMEOUT, ms(290)));

    let spans = spans.get_finished_spans().unwrap();
    let mut attempts: Vec<_> =
        spans.into_iter().filter(|span| span.span_kind == opentelemetry::trace::SpanKind::Client).collect();
    attempts.sort_by_key(|span| span.start_time);
    let ended: Vec<_> = attempts.iter().map(|span| (&*span.name, attribute(span, "error.type"))).collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        ended,
        [
            ("GET", text("504")),
            ("test.Twin/Quote", text("DEADLINE_EXCEEDED")),
            ("GET", text("deadline_exceeded"))
        ]
    );
    assert_eq!(attribute(&attempts[2], "outbound.phase"), "wait");
    for pair in attempts.windows(2) {
        assert_eq!(pair[0].span_context.trace_id(), pair[1].span_context.trace_id());
        assert_eq!(pair[1].parent_span_id, pair[0].span_context.span_id());
    }
    for (hop, (service, left)) in attempts.iter().zip(&hops) {
        println!("{:16} {:18} called {service:9} with {left:?} left", hop.name, attribute(hop, "error.type"));
    }
}

fn attribute(span: &SpanData, key: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key.as_str() == key);
    found.map(|pair| pair.value.to_string()).unwrap_or_default()
}
