//! The front behind a plain client.

mod grpc;
mod http;
mod life;
mod wire;

use std::io::ErrorKind;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::trace::v1 as trace;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Front, FrontProtocol};
use crate::otlp::Receiver;

const LIMIT: Duration = Duration::from_secs(10);
/// A valid export without items.
const EMPTY: &[u8] = b"";

async fn before_receiver(protocol: FrontProtocol) -> (Receiver, Front) {
    let receiver = Receiver::start().await.unwrap();
    let upstream = match protocol {
        FrontProtocol::Http => receiver.http_address(),
        FrontProtocol::Grpc => receiver.grpc_address(),
    };
    let front = Front::start(upstream, protocol).unwrap();
    (receiver, front)
}

/// A span for each number, which is also its id.
fn spans(numbers: impl IntoIterator<Item = u8>) -> ExportTraceServiceRequest {
    let span = |number| trace::Span { span_id: vec![number; 8], ..Default::default() };
    let scoped = trace::ScopeSpans { spans: numbers.into_iter().map(span).collect(), ..Default::default() };
    let resource = trace::ResourceSpans { scope_spans: vec![scoped], ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

/// A metric of each kind: 1 point in a gauge, 2 in a sum, then 3, 4 and 5 in the others; 15 in all.
fn fifteen_points() -> ExportMetricsServiceRequest {
    use metrics::metric::Data;
    let numbers = |count| vec![metrics::NumberDataPoint::default(); count];
    let kinds = [
        Data::Gauge(metrics::Gauge { data_points: numbers(1) }),
        Data::Sum(metrics::Sum { data_points: numbers(2), ..Default::default() }),
        Data::Histogram(metrics::Histogram {
            data_points: vec![Default::default(); 3],
            ..Default::default()
        }),
        Data::ExponentialHistogram(metrics::ExponentialHistogram {
            data_points: vec![Default::default(); 4],
            ..Default::default()
        }),
        Data::Summary(metrics::Summary { data_points: vec![Default::default(); 5] }),
    ];
    let named = kinds.into_iter().enumerate().map(|(number, data)| metrics::Metric {
        name: number.to_string(),
        data: Some(data),
        ..Default::default()
    });
    let scoped = metrics::ScopeMetrics { metrics: named.collect(), ..Default::default() };
    let resource = metrics::ResourceMetrics { scope_metrics: vec![scoped], ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }
}

/// The ids of the received spans in order of arrival, with duplicates.
fn received(receiver: &Receiver) -> Vec<String> {
    receiver.spans().iter().map(crate::otlp::Span::span_id).collect()
}

/// The number of points in the received metrics.
fn points(receiver: &Receiver) -> usize {
    use metrics::metric::Data;
    let data = receiver.metrics().into_iter().filter_map(|metric| metric.metric.data);
    data.map(|data| match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    })
    .sum()
}

/// A kept HTTP/1.1 connection.
struct Http(TcpStream);

impl Http {
    async fn open(front: &Front) -> Http {
        Http(TcpStream::connect(front.address()).await.unwrap())
    }

    async fn send(&mut self, path: &str, headers: &str, body: &[u8]) {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: front\r\n{headers}content-length: {length}\r\n\r\n");
        self.0.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    }

    /// The head and the body of the next response, which has a `content-length`.
    async fn answer(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        (head, body)
    }

    /// Posts to `/v1/traces` and returns the status line.
    async fn post(&mut self, body: &[u8]) -> String {
        self.send("/v1/traces", "", body).await;
        self.answer().await.0.lines().next().unwrap().to_owned()
    }

    /// All bytes until the front closes.
    async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        tokio::time::timeout(LIMIT, self.0.read_to_end(&mut rest)).await.expect("an end").unwrap();
        rest
    }

    fn has_nothing_to_read(&self) -> bool {
        self.0.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
