//! An OTLP receiver inside the process: gRPC and HTTP/protobuf on loopback. It keeps all that it receives.
//!
//! It runs on its own thread, so that it also answers an exporter that blocks the caller's runtime.

mod front;
mod grpc;
pub mod hosts;
mod http;
mod metric;
mod receiver;
mod span;
mod store;
#[cfg(test)]
mod tests;
mod text;

pub use front::{Fault, Front, FrontProtocol};
pub use metric::{Metric, Point, Value};
pub use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
pub use receiver::Receiver;
pub use span::Span;
