//! The bytes are those that `opentelemetry-proto` and prost make of the same spans.

mod cases;
mod random;

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanLimits};
use prost::Message;

use super::super::batch::{Batch, Item, SpanMaker};
use super::Encoder;

/// Encodes the spans both ways, and compares what prost reads, and the bytes.
fn assert_same(spans: &[SpanData], resource: &Resource) {
    let mut out = b"head".to_vec();
    let items = spans.iter().map(|span| Item::Span(span.clone())).collect();
    let maker = Arc::new(SpanMaker::new(SpanLimits::default()));
    Encoder::new(resource).encode(&Batch { items, maker }, &mut out);
    let encoded = out.strip_prefix(b"head").expect("what was there stays");
    let resource_spans = group_spans_by_resource_and_scope(spans.to_vec(), &resource.into());
    let expected = ExportTraceServiceRequest { resource_spans };
    let decoded = ExportTraceServiceRequest::decode(encoded);
    // NaN is not equal to itself, but its text is.
    assert_eq!(format!("{decoded:?}"), format!("{:?}", Ok::<_, prost::DecodeError>(&expected)));
    assert_eq!(encoded, expected.encode_to_vec());
}
