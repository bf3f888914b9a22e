//! Spans in OTLP's protobuf, straight from the SDK's data.
//!
//! `opentelemetry-proto` makes structs of a batch first, with an allocation for each name, value and id, and frees them
//! again. The bytes are the same.
//!
//! Source: `opentelemetry/proto/trace/v1/trace.proto`, `common/v1/common.proto`, `resource/v1/resource.proto`.

mod attributes;
mod request;
mod span;
mod writer;

pub(super) use self::request::Encoder;

#[cfg(test)]
mod tests;
