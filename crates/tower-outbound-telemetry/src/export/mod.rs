//! How telemetry leaves the process.
//!
//! ```text
//! spans, attempts ──▶ queue ──┐                    ┌─ its `HttpClient` ─┐
//!                             ├─▶ exporter (OTLP) ─▶ delivery ─▶ transport ─▶ receiver
//! metrics ──▶ SDK's reader ───┘                         └─▶ outcome: stats, health
//! ```
//!
//! An attempt is queued as it is, and its spans are made where they are encoded. Spans are encoded in protobuf from the SDK's data; the exporters of `opentelemetry-otlp` turn metrics, and spans in JSON,
//! into requests. The SDK's own processor does not report losses, waits without a timeout at the end, and needs a runtime
//! that is not blocked; so do the exporter's retries.

mod answer;
mod attempts;
mod batch;
mod batches;
mod compression;
mod delivery;
mod exporter;
mod exporters;
mod grpc;
mod health;
mod http;
mod metrics;
mod outcome;
mod protobuf;
mod protobuf_spans;
mod said;
mod self_metrics;
mod spans;
mod stats;
mod thread;
mod tls;
mod transport;

pub(crate) use self::attempts::AttemptQueue;
pub(crate) use self::exporters::{EndBy, Exporters, Given};
pub(crate) use self::self_metrics::{Component, SelfMetrics};
pub(crate) use self::spans::SpanQueue;
pub(crate) use self::stats::ExportStats;
pub(crate) use self::thread::ExportThread;
