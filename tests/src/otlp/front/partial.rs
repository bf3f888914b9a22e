//! Partial success: a part of a request is rejected.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderValue;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;

use super::FrontProtocol;
use crate::otlp::http::{decoded, decompressed};

/// The numbers of kept and rejected items of a request, and the response.
pub(super) struct Taken {
    pub(super) lost: usize,
    pub(super) kept: usize,
    pub(super) metrics: bool,
    pub(super) response: Vec<u8>,
}

/// Rejects `lost` of the items; `None` if `body` is not an export request.
pub(super) fn reject(head: &Parts, body: Bytes, protocol: FrontProtocol, lost: usize) -> Option<Taken> {
    let payload = match protocol {
        FrontProtocol::Http => decompressed(head.headers.get(CONTENT_ENCODING), body).ok()?,
        FrontProtocol::Grpc => unframed(body)?,
    };
    let error_message = "the front rejects some".to_owned();
    let metrics = matches!(
        head.uri.path(),
        "/v1/metrics" | "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    );
    let items = if metrics { points(&decoded(&payload).ok()?) } else { spans(&decoded(&payload).ok()?) };
    let lost = lost.min(items);
    let rejected = lost as i64;
    let response = if metrics {
        let rejected = ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message };
        ExportMetricsServiceResponse { partial_success: Some(rejected) }.encode_to_vec()
    } else {
        let rejected = ExportTracePartialSuccess { rejected_spans: rejected, error_message };
        ExportTraceServiceResponse { partial_success: Some(rejected) }.encode_to_vec()
    };
    Some(Taken { lost, kept: items - lost, metrics, response })
}

/// An uncompressed gRPC message: a flag, the length, and the bytes.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

/// The message of a unary call, decompressed if it is gzip.
fn unframed(mut body: Bytes) -> Option<Bytes> {
    if body.len() < 5 {
        return None;
    }
    let message = body.split_off(5);
    let encoding = (body[0] == 1).then_some(HeaderValue::from_static("gzip"));
    decompressed(encoding.as_ref(), message).ok()
}

fn spans(request: &ExportTraceServiceRequest) -> usize {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len()).sum()
}

fn points(request: &ExportMetricsServiceRequest) -> usize {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let data = scopes.flat_map(|scope| &scope.metrics).filter_map(|metric| metric.data.as_ref());
    data.map(|data| match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    })
    .sum()
}
