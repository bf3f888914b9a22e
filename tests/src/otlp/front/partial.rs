//! Partial success: a part of a request is rejected.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::Request;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
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
use crate::otlp::http::{decoded, decompressed, is_json};

const ERROR_MESSAGE: &str = "the front rejects some";

/// A request without the rejected items, their number, and the response.
pub(super) struct Taken {
    pub(super) rest: Request<Full<Bytes>>,
    pub(super) lost: usize,
    pub(super) json: bool,
    pub(super) response: Vec<u8>,
}

/// Removes the first `lost` items; `None` if `body` is not an export request.
pub(super) fn reject(head: &Parts, body: Bytes, protocol: FrontProtocol, lost: usize) -> Option<Taken> {
    let payload = match protocol {
        FrontProtocol::Http => decompressed(head.headers.get(CONTENT_ENCODING), body).ok()?,
        FrontProtocol::Grpc => unframed(head, body)?,
    };
    let metrics = matches!(
        head.uri.path(),
        "/v1/metrics" | "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    );
    let json = is_json(&head.headers);
    let (rest, lost, response) = if metrics {
        let mut request = decoded(&payload, json).ok()?;
        let lost = remove_points(&mut request, lost);
        let rejected = ExportMetricsPartialSuccess {
            rejected_data_points: lost as i64,
            error_message: ERROR_MESSAGE.to_owned(),
        };
        let response = ExportMetricsServiceResponse { partial_success: Some(rejected) };
        (encoded(&request, json), lost, response.encode_to_vec())
    } else {
        let mut request = decoded(&payload, json).ok()?;
        let lost = remove_spans(&mut request, lost);
        let rejected = ExportTracePartialSuccess {
            rejected_spans: lost as i64,
            error_message: ERROR_MESSAGE.to_owned(),
        };
        let response = ExportTraceServiceResponse { partial_success: Some(rejected) };
        (encoded(&request, json), lost, response.encode_to_vec())
    };
    // As the Collector encodes it: an integer of 64 bits is a string.
    let response = if json { response_in_json(metrics, lost) } else { response };
    let rest = match protocol {
        FrontProtocol::Http => rest.into(),
        FrontProtocol::Grpc => framed(&rest),
    };
    let mut rest = Request::from_parts(head.clone(), rest.into());
    rest.headers_mut().remove(CONTENT_ENCODING);
    rest.headers_mut().remove(CONTENT_LENGTH);
    Some(Taken { rest, lost, json, response })
}

fn encoded<M: prost::Message + serde::Serialize>(request: &M, json: bool) -> Vec<u8> {
    // Serialization fails only for what JSON cannot say.
    if json { serde_json::to_vec(request).unwrap_or_default() } else { request.encode_to_vec() }
}

fn response_in_json(metrics: bool, lost: usize) -> Vec<u8> {
    let rejected = if metrics { "rejectedDataPoints" } else { "rejectedSpans" };
    let partial = serde_json::json!({ rejected: lost.to_string(), "errorMessage": ERROR_MESSAGE });
    serde_json::json!({ "partialSuccess": partial }).to_string().into_bytes()
}

/// An uncompressed gRPC message: a flag, the length, and the bytes.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

/// The message of a unary call, decompressed.
fn unframed(head: &Parts, mut body: Bytes) -> Option<Bytes> {
    if body.len() < 5 {
        return None;
    }
    let message = body.split_off(5);
    let encoding = head.headers.get("grpc-encoding").filter(|_| body[0] == 1);
    decompressed(encoding, message).ok()
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
