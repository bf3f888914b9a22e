//! What the receiver gets is what the SDK and `opentelemetry-proto` make of the same attempts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderName, Request, Response};
use http_body_util::BodyExt;
use opentelemetry::trace::{Link, Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, Value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use outbound_tests::gate::Gate;
use outbound_tests::otlp::{Receiver, Span as Received};
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower_outbound::{Outbound, OutboundClient, UrlTemplate};
use tower_outbound_otel::{OtelObserver, Phases, SpanAttribute};
use tower_outbound_telemetry::{Keep, OtlpProtocol, Telemetry};

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

fn client(observers: impl IntoIterator<Item = OtelObserver>, http2: bool) -> OutboundClient {
    let mut outbound =
        Outbound::builder().retry(|retry| retry.max_retries(1).backoff(Duration::ZERO, Duration::ZERO));
    for observer in observers {
        outbound = outbound.observer(observer);
    }
    outbound.build().client_builder().http2_only(http2).build()
}

/// An observer with options for every part of a span.
fn observer(telemetry: &Telemetry, phases: Phases) -> OtelObserver {
    let observer = telemetry.observer().phases(phases).response_header(HeaderName::from_static("x-seen"));
    let observer = observer.request_header(HeaderName::from_static("x-asked"));
    observer.span_attribute(SpanAttribute::UrlScheme).span_attribute(SpanAttribute::RequestBodySize).build()
}

fn endpoint(receiver: &Receiver, protocol: OtlpProtocol) -> String {
    match protocol {
        OtlpProtocol::Grpc => receiver.grpc_endpoint(),
        _ => receiver.http_endpoint(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_received_as_opentelemetry_proto_makes_them() {
    for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf] {
        let (receiver, copies) = (Receiver::start().await.unwrap(), Copies::default());
        let telemetry = Telemetry::builder("shop").lookup(|_| None).without_globals().protocol(protocol);
        let telemetry = telemetry.endpoint(endpoint(&receiver, protocol)).span_processor(copies.clone());
        let telemetry = telemetry.build().unwrap();
        for phases in [Phases::Spans, Phases::Events] {
            let http1 = client([observer(&telemetry, phases)], false);
            attempts(&http1).await;
            application(&telemetry, &http1).await;
            attempts_over_http2(&client([observer(&telemetry, phases)], true)).await;
        }
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

/// The observer's spans, but for their ids and for when they began.
fn shapes(spans: &[Received]) -> Vec<String> {
    let ours = spans.iter().filter(|span| span.scope == "tower-outbound-otel");
    let ours: BTreeMap<_, _> = ours.map(|span| (span.span_id(), span)).collect();
    let name = |id: &String| ours.get(id).map_or_else(|| id.clone(), |span| span.name().to_owned());
    let shape = |span: &&Received| {
        let proto = &span.span;
        let parent = ours.get(&span.parent_span_id());
        assert!(parent.is_none_or(|parent| parent.trace_id() == span.trace_id()), "{span:?}");
        // Each attempt has a clock of its own.
        let after = parent
            .filter(|_| span.kind() == Kind::Internal)
            .map(|parent| i128::from(span.start()) - i128::from(parent.start()));
        let links = span.links().iter().map(|link| {
            let id: String = link.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
            (name(&id), &link.trace_state, link.flags, &link.attributes)
        });
        let events = proto.events.iter().map(|event| {
            (
                &event.name,
                event.time_unix_nano - span.start(),
                &event.attributes,
                event.dropped_attributes_count,
            )
        });
        format!(
            "{} {:?} below {:?} {} after {after:?} took {:?}, {:?} {} {:?} {:?} {:?} dropped {} {} {}",
            span.name(),
            span.kind(),
            name(&span.parent_span_id()),
            span.flags(),
            span.duration(),
            proto.status,
            proto.trace_state,
            proto.attributes,
            events.collect::<Vec<_>>(),
            links.collect::<Vec<_>>(),
            proto.dropped_attributes_count,
            proto.dropped_events_count,
            proto.dropped_links_count,
        )
    };
    let mut shapes: Vec<_> = ours.values().map(shape).collect();
    shapes.sort();
    shapes
}

/// The same attempts by the SDK's tracer and by the pipeline's own way, which another processor switches off.
async fn both_ways(
    protocol: OtlpProtocol,
    phases: Phases,
    variables: &'static [(&'static str, &'static str)],
    keep: Option<Keep>,
) -> [Vec<String>; 2] {
    let receivers = [Receiver::start().await.unwrap(), Receiver::start().await.unwrap()];
    let builders = receivers.each_ref().map(|receiver| {
        let found = |key: &str| variables.iter().find(|(known, _)| *known == key).map(|(_, value)| value);
        let builder = Telemetry::builder("shop").lookup(move |key| found(key).map(ToString::to_string));
        let builder = builder.without_globals().protocol(protocol).endpoint(endpoint(receiver, protocol));
        match &keep {
            Some(keep) => builder.keep(keep.clone()),
            None => builder,
        }
    });
    let [sdk, own] = builders;
    let telemetries = [sdk.span_processor(Copies::default()), own].map(|builder| builder.build().unwrap());
    let observers = || telemetries.each_ref().map(|telemetry| observer(telemetry, phases));
    let http1 = client(observers(), false);
    attempts(&http1).await;
    application(&telemetries[0], &http1).await;
    attempts_over_http2(&client(observers(), true)).await;
    for telemetry in telemetries {
        let report = telemetry.shutdown().await;
        assert!(report.is_complete(), "{report}");
    }
    receivers.map(|receiver| shapes(&receiver.spans()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_exported_as_by_the_sdk() {
    const LIMITS: &[(&str, &str)] = &[
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "9"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "0"),
    ];
    const UNSAMPLED: &[(&str, &str)] = &[("OTEL_TRACES_SAMPLER", "always_off")];
    const SMALL: &[(&str, &str)] =
        &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3"), ("OTEL_TRACES_SAMPLER", "always_on")];
    let keep = || Some(Keep::new().errors().retries());
    for (protocol, phases, variables, keep, least) in [
        (OtlpProtocol::Grpc, Phases::Spans, &[][..], None, 35),
        (OtlpProtocol::HttpProtobuf, Phases::Events, &[], None, 12),
        (OtlpProtocol::HttpJson, Phases::Spans, &[], None, 35),
        (OtlpProtocol::HttpProtobuf, Phases::Off, &[], None, 12),
        (OtlpProtocol::Grpc, Phases::Spans, LIMITS, None, 35),
        (OtlpProtocol::Grpc, Phases::Events, LIMITS, None, 12),
        (OtlpProtocol::Grpc, Phases::Spans, SMALL, None, 35),
        (OtlpProtocol::Grpc, Phases::Spans, UNSAMPLED, keep(), 15),
        (OtlpProtocol::Grpc, Phases::Events, UNSAMPLED, keep(), 8),
        (OtlpProtocol::Grpc, Phases::Spans, UNSAMPLED, None, 0),
    ] {
        let [sdk, own] = both_ways(protocol, phases, variables, keep).await;
        let case = format!("{protocol:?} {phases:?} {variables:?}");
        for (sdk, own) in sdk.iter().zip(&own) {
            assert_eq!(sdk, own, "{case}");
        }
        assert_eq!(sdk.len(), own.len(), "{case}");
        assert!(sdk.len() >= least, "{case}: {}", sdk.len());
    }
}
