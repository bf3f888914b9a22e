//! What the receiver gets is what `opentelemetry-proto` makes of the same spans.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderName, Request, Response};
use http_body_util::BodyExt;
use opentelemetry::trace::{Link, Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, Value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use outbound_tests::gate::Gate;
use outbound_tests::otlp::Receiver;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower_outbound::{Outbound, OutboundClient, UrlTemplate};
use tower_outbound_otel::{OtelObserver, Phases, SpanAttribute};
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-seen: a\r\nx-seen: b\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";

/// Keeps a copy of every span.
#[derive(Clone, Debug, Default)]
struct Copies(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Copies {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The scope's name, and the span.
type Scoped = (String, proto::Span);

fn sorted(mut spans: Vec<Scoped>) -> Vec<Scoped> {
    spans.sort_by(|(_, one), (_, other)| one.span_id.cmp(&other.span_id));
    spans
}

impl Copies {
    fn transformed(&self) -> Vec<Scoped> {
        let spans = self.0.lock().unwrap().clone();
        let resources = group_spans_by_resource_and_scope(spans, &Default::default());
        let scopes = resources.into_iter().flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scoped| {
            let scope = scoped.scope.unwrap_or_default().name;
            scoped.spans.into_iter().map(move |span| (scope.clone(), span))
        });
        sorted(spans.collect())
    }
}

async fn get(client: &OutboundClient, uri: impl ToString) -> Option<Response<()>> {
    let (head, body) = client.get(uri.to_string()).await.ok()?.into_parts();
    let _ = body.collect().await;
    Some(Response::from_parts(head, ()))
}

/// Attempts that end in different ways, over HTTP/1.
async fn attempts(client: &OutboundClient) {
    let server = ScriptedServer::tcp(Script::answering(OK).repeat()).await.unwrap();
    for path in ["/", "/ü%20?token=a&b=c"] {
        let request = Request::get(server.uri("/").to_string() + path.trim_start_matches('/'));
        let request = request.header("x-asked", "1").extension(UrlTemplate::from_static("/orders/{id}"));
        let response = client.request(request.body(String::new()).unwrap()).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let busy = ScriptedServer::tcp(Script::answering(BUSY).repeat()).await.unwrap();
    let _ = get(client, busy.uri("/busy")).await;
    let cut = ScriptedServer::tcp(Script::new().read_request().write(CUT).close()).await.unwrap();
    let _ = get(client, cut.uri("/cut")).await;
    let closing = ScriptedServer::tcp(Script::new().read_request().reset()).await.unwrap();
    assert!(get(client, closing.uri("/reset")).await.is_none());
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(get(client, format!("http://{refused}/refused")).await.is_none());
    assert!(get(client, "http://nowhere.invalid/").await.is_none());
    let asked = Gate::new();
    let silent = ScriptedServer::tcp(Script::new().read_request().open(&asked).hang()).await.unwrap();
    tokio::select! {
        _ = get(client, silent.uri("/cancelled")) => panic!("it does not answer"),
        () = asked.wait() => {}
    }
}

/// Attempts over HTTP/2, at once and with gRPC's status.
async fn attempts_over_http2(client: &OutboundClient) {
    let server = H2Server::builder()
        .start(async |_| {
            let response = Response::builder().header("content-type", "application/grpc");
            response.header("grpc-status", "14").body(String::new()).unwrap()
        })
        .await
        .unwrap();
    let call = || {
        let request =
            Request::post(server.uri("/a.Service/Method")).header("content-type", "application/grpc");
        client.request(request.header("te", "trailers").body(String::new()).unwrap())
    };
    let (one, other) = tokio::join!(call(), call());
    for response in [one.unwrap(), other.unwrap()] {
        let _ = response.into_body().collect().await;
    }
}

/// The application's own spans, in scopes of their own, with the attempts below them.
async fn application(telemetry: &Telemetry, client: &OutboundClient) {
    let tracer = telemetry.tracer_provider().unwrap().tracer("app");
    let remote = opentelemetry::trace::SpanContext::new(
        opentelemetry::TraceId::from(7),
        opentelemetry::SpanId::from(9),
        opentelemetry::TraceFlags::SAMPLED,
        true,
        "vendor=1,other@sys=2".parse().unwrap(),
    );
    let above = Context::new().with_remote_span_context(remote.clone());
    let span = tracer.span_builder("handler").with_kind(SpanKind::Server).with_links(vec![Link::new(
        remote,
        vec![KeyValue::new("a", 1)],
        0,
    )]);
    let mut span = tracer.build_with_context(span, &above);
    let strings = vec!["a".into(), "b".into()];
    for array in [
        Array::Bool(vec![true, false]),
        Array::I64(vec![-1, 0, 1]),
        Array::F64(vec![0.5]),
        Array::String(strings),
    ] {
        span.set_attribute(KeyValue::new("array", Value::Array(array)));
    }
    span.add_event("began", vec![KeyValue::new("text", "x".repeat(300))]);
    span.set_status(Status::Ok);
    let context = above.with_span(span);
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    opentelemetry::trace::FutureExt::with_context(get(client, server.uri("/below")), context.clone()).await;
    context.span().end();
}

fn client(observer: OtelObserver) -> OutboundClient {
    let outbound =
        Outbound::builder().retry(|retry| retry.max_retries(1).backoff(Duration::ZERO, Duration::ZERO));
    outbound.observer(observer).build().client()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_is_received_as_opentelemetry_proto_makes_it() {
    for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf] {
        let (receiver, copies) = (Receiver::start().await.unwrap(), Copies::default());
        let endpoint = match protocol {
            OtlpProtocol::Grpc => receiver.grpc_endpoint(),
            _ => receiver.http_endpoint(),
        };
        let telemetry = Telemetry::builder("shop").lookup(|_| None).without_globals().protocol(protocol);
        let telemetry = telemetry.endpoint(endpoint).span_processor(copies.clone()).build().unwrap();
        for phases in [Phases::Spans, Phases::Events] {
            let seen = HeaderName::from_static("x-seen");
            let observer = telemetry.observer().phases(phases).response_header(seen);
            let observer = observer.request_header(HeaderName::from_static("x-asked"));
            let client = client(observer.span_attribute(SpanAttribute::UrlScheme).build());
            attempts(&client).await;
            application(&telemetry, &client).await;
        }
        let outbound = Outbound::builder().observer(telemetry.observer().build()).build();
        attempts_over_http2(&outbound.client_builder().http2_only(true).build()).await;
        let report = telemetry.shutdown().await;
        assert!(report.is_complete(), "{report}");
        let received = receiver.spans().into_iter().map(|span| (span.scope, span.span)).collect();
        let (received, expected) = (sorted(received), copies.transformed());
        assert!(expected.len() > 60, "{}", expected.len());
        for (received, expected) in received.iter().zip(&expected) {
            assert_eq!(received, expected);
        }
        assert_eq!(received.len(), expected.len());
    }
}
