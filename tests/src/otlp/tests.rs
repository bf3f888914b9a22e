//! The receiver behind an exporter.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;

use super::{Receiver, SpanKind, Value};

const LIMIT: Duration = Duration::from_secs(10);

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn resource() -> Option<Resource> {
    let name = attribute("service.name", Any::StringValue("shop".into()));
    Some(Resource { attributes: vec![name], ..Default::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "outbound".into(), ..Default::default() })
}

fn traces(name: &str) -> ExportTraceServiceRequest {
    let span = trace::Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1, 2, 3, 4, 5, 6, 7, 8],
        name: name.into(),
        kind: SpanKind::Client.into(),
        // Sampled, with a local parent.
        flags: 0x101,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 3_500,
        attributes: vec![
            attribute("http.response.status_code", Any::IntValue(204)),
            attribute("outbound.connection.setup_paid", Any::BoolValue(true)),
        ],
        ..Default::default()
    };
    let scoped = trace::ScopeSpans { scope: scope(), spans: vec![span], ..Default::default() };
    let resource =
        trace::ResourceSpans { resource: resource(), scope_spans: vec![scoped], ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

fn counter(name: &str, value: i64) -> ExportMetricsServiceRequest {
    let point = metrics::NumberDataPoint {
        attributes: vec![attribute("server.address", Any::StringValue("localhost".into()))],
        value: Some(metrics::number_data_point::Value::AsInt(value)),
        ..Default::default()
    };
    let sum = metrics::Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic: true };
    let metric = metrics::Metric {
        name: name.into(),
        unit: "{request}".into(),
        data: Some(metrics::metric::Data::Sum(sum)),
        ..Default::default()
    };
    let scoped = metrics::ScopeMetrics { scope: scope(), metrics: vec![metric], ..Default::default() };
    let resource =
        metrics::ResourceMetrics { resource: resource(), scope_metrics: vec![scoped], ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }
}

/// The status line of the response to a POST.
async fn post(receiver: &Receiver, path: &str, headers: &str, body: &[u8]) -> String {
    let address = receiver.http_endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn receiver_gzipped_grpc_span_exposes_all_fields() {
    let receiver = Receiver::start().await.unwrap();
    let mut client = TraceServiceClient::connect(receiver.grpc_endpoint())
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip);
    // As grpc-go, it answers in the request's compression.
    let refused = client.export(traces("refused answer")).await.unwrap_err();
    assert!(refused.message().contains("compressed with `gzip`"), "{refused}");
    let _ = receiver.take_spans();
    let mut client = client.accept_compressed(CompressionEncoding::Gzip);
    client.export(traces("GET /things/{id}")).await.unwrap();

    let spans = receiver.spans();
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    assert_eq!((span.resource_service.as_str(), span.scope.as_str()), ("shop", "outbound"));
    assert_eq!(span.name(), "GET /things/{id}");
    assert_eq!(span.attr("http.response.status_code").as_deref(), Some("204"));
    assert_eq!(span.attr("outbound.connection.setup_paid").as_deref(), Some("true"));
    assert_eq!(span.attr("absent"), None);
    assert_eq!(span.trace_id(), "ab".repeat(16));
    assert_eq!(span.span_id(), "0102030405060708");
    assert_eq!(span.parent_span_id(), "");
    assert_eq!((span.flags(), span.is_sampled()), (0x101, true));
    let unsampled = trace::Span { flags: 0x100, ..span.span.clone() };
    assert!(!super::Span { span: unsampled, ..span.clone() }.is_sampled());
    assert_eq!(span.kind(), SpanKind::Client);
    assert_eq!(span.duration(), Duration::from_nanos(2_500));
    assert_eq!(receiver.requests(), (2, 0));
    assert!(receiver.bytes_contain("/things/{id}"));
    assert!(!receiver.bytes_contain("secret"));
}

#[tokio::test]
async fn receiver_later_export_replaces_metric_of_same_name() {
    let receiver = Receiver::start().await.unwrap();
    let mut client = MetricsServiceClient::connect(receiver.grpc_endpoint()).await.unwrap();
    client.export(counter("outbound.requests", 3)).await.unwrap();
    client.export(counter("outbound.requests", 5)).await.unwrap();
    client.export(counter("outbound.retries", 1)).await.unwrap();

    assert_eq!(
        receiver.metric_names().into_iter().collect::<Vec<_>>(),
        ["outbound.requests", "outbound.retries"]
    );
    let requests = &receiver.metrics()[0];
    assert_eq!((requests.name(), requests.unit()), ("outbound.requests", "{request}"));
    let points = requests.points();
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].value, Value::Sum(5.0));
    assert_eq!(points[0].attr("server.address"), Some("localhost"));
    assert_eq!(receiver.requests(), (0, 3));
}

#[tokio::test]
async fn receiver_accepts_http_protobuf_plain_and_gzipped() {
    let receiver = Receiver::start().await.unwrap();
    let plain = traces("plain").encode_to_vec();
    assert_eq!(post(&receiver, "/v1/traces", "", &plain).await, "HTTP/1.1 200 OK");
    let zipped = gzip(&traces("zipped").encode_to_vec());
    assert_eq!(post(&receiver, "/v1/traces", "content-encoding: gzip\r\n", &zipped).await, "HTTP/1.1 200 OK");
    let sum = counter("outbound.requests", 7).encode_to_vec();
    assert_eq!(post(&receiver, "/v1/metrics", "", &sum).await, "HTTP/1.1 200 OK");

    let names: Vec<_> = receiver.spans().iter().map(|span| span.name().to_owned()).collect();
    assert_eq!(names, ["plain", "zipped"]);
    // Both have the same id.
    assert_eq!(Vec::from_iter(receiver.span_ids()), ["0102030405060708"]);
    assert_eq!(receiver.metrics()[0].points()[0].value, Value::Sum(7.0));
    assert!(receiver.bytes_contain("zipped"));
}

#[tokio::test]
async fn receiver_refuses_invalid_export_without_counting() {
    let receiver = Receiver::start().await.unwrap();
    assert_eq!(post(&receiver, "/v1/traces", "", b"\xff\xff\xff").await, "HTTP/1.1 400 Bad Request");
    let not_zipped = traces("x").encode_to_vec();
    let answer = post(&receiver, "/v1/traces", "content-encoding: gzip\r\n", &not_zipped).await;
    assert_eq!(answer, "HTTP/1.1 400 Bad Request");
    assert_eq!(post(&receiver, "/v1/logs", "", b"").await, "HTTP/1.1 404 Not Found");
    assert_eq!(receiver.requests(), (0, 0));
    assert_eq!(receiver.spans(), []);
}

#[tokio::test]
async fn receiver_wait_ends_with_export_or_timeout() {
    let receiver = Receiver::start().await.unwrap();
    let body = traces("late").encode_to_vec();
    let (seen, answer) = tokio::join!(
        receiver.wait_for(|receiver| receiver.spans().len() == 1, LIMIT),
        post(&receiver, "/v1/traces", "", &body)
    );
    assert_eq!((seen, answer.as_str()), (true, "HTTP/1.1 200 OK"));
    assert!(!receiver.wait_for(|receiver| receiver.spans().len() == 2, Duration::ZERO).await);
}

#[tokio::test]
async fn receiver_stopped_refuses_connections_and_keeps_spans() {
    let receiver = Receiver::start().await.unwrap();
    post(&receiver, "/v1/traces", "", &traces("kept").encode_to_vec()).await;
    let address = receiver.http_endpoint().replace("http://", "");
    receiver.stop();
    let refused = TcpStream::connect(&address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(receiver.spans().len(), 1);
}
