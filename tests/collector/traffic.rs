//! Telemetry of every kind: of an application, and of its requests.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use opentelemetry::context::FutureExt as _;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, Value};
use outbound_tests::secret;
use outbound_tests::server::{H2Server, Script, ScriptedServer, closed_port};
use tower_outbound::OutboundClient;
use tower_outbound_otel::OtelObserverBuilder;

use crate::pipeline::Pipeline;
use crate::tee::{TeeSpan, TeeTracer};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno";

/// Records everything. Every request and connection has ended, or ends soon.
pub(crate) async fn run(pipeline: &Pipeline, options: fn(OtelObserverBuilder) -> OtelObserverBuilder) {
    let scope = InstrumentationScope::builder("application").with_version("1.2.3");
    let scope =
        scope.with_schema_url("https://example.com/schema").with_attributes([KeyValue::new("a", "b")]);
    let scope = scope.build();
    for meters in [&pipeline.meters, pipeline.telemetry.meter_provider().unwrap()] {
        instruments(&meters.meter_with_scope(scope.clone()));
    }
    let tracer = pipeline.spans.tracer_with_scope(scope);
    let caller = Context::new().with_span(every_field(&tracer));
    requests(pipeline, options).with_context(caller).await;
}

/// A span with every field and every type of attribute.
fn every_field(tracer: &TeeTracer) -> TeeSpan {
    let state = TraceState::from_key_value([("vendor", "x"), ("other", "y")]).unwrap();
    let remote = |trace, span, sampled| {
        SpanContext::new(
            TraceId::from(trace),
            SpanId::from(span),
            TraceFlags::new(sampled),
            true,
            state.clone(),
        )
    };
    let parent = Context::new().with_remote_span_context(remote(0x1234_5678_9abc_u128, 0x1111_u64, 1));
    let mut span = tracer.build_with_context(
        SpanBuilder::from_name("GET /orders/{id} ✓")
            .with_kind(SpanKind::Server)
            .with_attributes(values())
            .with_links(vec![Link::new(remote(7, 8, 1), values(), 0), Link::with_context(remote(9, 10, 0))]),
        &parent,
    );
    span.add_event("an event", values());
    span.add_event("", vec![]);
    for kind in [SpanKind::Producer, SpanKind::Consumer, SpanKind::Internal] {
        let mut other = tracer.build_with_context(SpanBuilder::from_name("other").with_kind(kind), &parent);
        other.set_status(if other.span_context().is_valid() { Status::Ok } else { Status::Unset });
        other.end();
    }
    // Above the limits of the SDK.
    let mut full = tracer.build_with_context(SpanBuilder::from_name("full"), &Context::new());
    for number in 0..200 {
        full.set_attribute(KeyValue::new(format!("key {number}"), number));
        full.add_event("e", vec![]);
        full.add_link(remote(7, 8, 1), vec![]);
    }
    full.set_status(Status::error("it failed: \"quoted\"\n✗"));
    span
}

fn values() -> Vec<KeyValue> {
    vec![
        KeyValue::new("text", "ä \"quoted\" \u{1f980}\n\0"),
        KeyValue::new("empty", ""),
        KeyValue::new("true", true),
        KeyValue::new("false", false),
        KeyValue::new("zero", 0_i64),
        KeyValue::new("least", i64::MIN),
        KeyValue::new("most", i64::MAX),
        KeyValue::new("double", 0.1),
        KeyValue::new("zero double", 0.0),
        KeyValue::new("largest", f64::MAX),
        KeyValue::new("infinite", f64::NEG_INFINITY),
        KeyValue::new("texts", Value::Array(Array::String(vec!["a".into(), "".into()]))),
        KeyValue::new("numbers", Value::Array(Array::I64(vec![-1, 0, i64::MAX]))),
        KeyValue::new("doubles", Value::Array(Array::F64(vec![1.5, 2.0]))),
        KeyValue::new("flags", Value::Array(Array::Bool(vec![true, false]))),
        KeyValue::new("none", Value::Array(Array::String(vec![]))),
    ]
}

/// One of each kind, in two series.
fn instruments(meter: &Meter) {
    for series in [&[][..], &[KeyValue::new("series", 2), KeyValue::new("flag", true)]] {
        meter.u64_counter("a.counter").with_unit("{thing}").with_description("ä").build().add(3, series);
        meter.f64_counter("a.float.counter").build().add(0.25, series);
        meter.i64_up_down_counter("an.up_down").build().add(-4, series);
        meter.f64_up_down_counter("a.float.up_down").build().add(-0.5, series);
        meter.u64_gauge("a.gauge").build().record(0, series);
        meter.f64_gauge("a.float.gauge").build().record(1e300, series);
        let histogram = meter.f64_histogram("a.histogram").with_unit("s").build();
        for value in [0.0, 0.001, 7.0, 20_000.0] {
            histogram.record(value, series);
        }
        meter.u64_histogram("an.integer.histogram").build().record(12, series);
    }
    meter.u64_observable_counter("an.observed.counter").with_callback(|it| it.observe(5, &[])).build();
    meter.i64_observable_gauge("an.observed.gauge").with_callback(|it| it.observe(-6, &[])).build();
}

/// Reused and new connections over both versions, gRPC, a name to look up, a 503, refused connects.
async fn requests(pipeline: &Pipeline, options: fn(OtelObserverBuilder) -> OtelObserverBuilder) {
    let outbound = pipeline.outbound(options);
    let (client, http2) = (outbound.client(), outbound.client_builder().http2_only(true).build());
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let failing = ScriptedServer::tcp(Script::answering(UNAVAILABLE)).await.unwrap();
    let grpc = H2Server::builder().start(|_| std::future::ready(grpc_answer())).await.unwrap();
    for _ in 0..4 {
        let request = secret::request(&server.uri("/"), Empty::<Bytes>::new());
        send(&client, request).await;
    }
    send(&client, get(&server.uri_with("http", "localhost", "/named"))).await;
    send(&client, get(&failing.uri("/"))).await;
    send(&client, get(&format!("http://{}/", closed_port().unwrap()).parse().unwrap())).await;
    let call = || Request::post(grpc.uri("/shop.Orders/Create")).header("content-type", "application/grpc");
    for _ in 0..2 {
        send(&http2, call().body(Empty::new()).unwrap()).await;
    }
    tokio::join!(send(&http2, get(&grpc.uri("/a"))), send(&http2, get(&grpc.uri("/b"))));
    drop((client, http2));
    // For the observers' events after the last response.
    tokio::time::timeout(Duration::from_secs(10), pipeline.recorder.settled()).await.unwrap();
}

fn get(uri: &http::Uri) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

fn grpc_answer() -> Response<impl http_body::Body<Data = Bytes, Error = std::convert::Infallible>> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let body = Full::from("\0\0\0\0\0").with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

/// Sends the request and reads the response, if there is one.
async fn send(client: &OutboundClient, request: Request<Empty<Bytes>>) {
    if let Ok(response) = client.request(request).await {
        response.into_body().collect().await.unwrap();
    }
}
