//! Partial success: a part of a request is rejected.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderValue, Request};
use http_body_util::Full;
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

/// A request without the rejected items, their number, and the response.
pub(super) struct Taken {
    pub(super) rest: Request<Full<Bytes>>,
    pub(super) lost: usize,
    pub(super) response: Vec<u8>,
}

/// Removes the first `lost` items; `None` if `body` is not an export request.
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
    let (rest, lost, response) = if metrics {
        let mut request = decoded(&payload).ok()?;
        let lost = remove_points(&mut request, lost);
        let rejected = ExportMetricsPartialSuccess { rejected_data_points: lost as i64, error_message };
        let response = ExportMetricsServiceResponse { partial_success: Some(rejected) };
        (request.encode_to_vec(), lost, response.encode_to_vec())
    } else {
        let mut request = decoded(&payload).ok()?;
        let lost = remove_spans(&mut request, lost);
        let rejected = ExportTracePartialSuccess { rejected_spans: lost as i64, error_message };
        let response = ExportTraceServiceResponse { partial_success: Some(rejected) };
        (request.encode_to_vec(), lost, response.encode_to_vec())
    };
    let rest = match protocol {
        FrontProtocol::Http => rest.into(),
        FrontProtocol::Grpc => framed(&rest),
    };
    let mut rest = Request::from_parts(head.clone(), rest.into());
    rest.headers_mut().remove(CONTENT_ENCODING);
    rest.headers_mut().remove(CONTENT_LENGTH);
    Some(Taken { rest, lost, response })
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

/// Returns how many were removed.
fn remove_spans(request: &mut ExportTraceServiceRequest, most: usize) -> usize {
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    scopes.fold(0, |removed, scope| removed + remove(&mut scope.spans, most - removed))
}

/// Returns how many were removed.
fn remove_points(request: &mut ExportMetricsServiceRequest, most: usize) -> usize {
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    let data = scopes.flat_map(|scope| &mut scope.metrics).filter_map(|metric| metric.data.as_mut());
    data.fold(0, |removed, data| {
        let most = most - removed;
        removed
            + match data {
                Data::Gauge(gauge) => remove(&mut gauge.data_points, most),
                Data::Sum(sum) => remove(&mut sum.data_points, most),
                Data::Histogram(histogram) => remove(&mut histogram.data_points, most),
                Data::ExponentialHistogram(histogram) => remove(&mut histogram.data_points, most),
                Data::Summary(summary) => remove(&mut summary.data_points, most),
            }
    })
}

fn remove<T>(items: &mut Vec<T>, most: usize) -> usize {
    items.drain(..most.min(items.len())).count()
}
