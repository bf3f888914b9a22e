//! How telemetry leaves the process.
//!
//! ```text
//! spans ──▶ queue (bounded) ──┐
//!                             ├─▶ export thread: export client ─▶ transport ─▶ receiver
//! metrics ──▶ SDK's reader ───┘            └─▶ stats, health
//! ```
//!
//! The SDK's own processor and exporters do not report losses, wait without a timeout at the end, and need a runtime that
//! is not blocked. Messages are sent with an `OutboundClient`.

mod answer;
mod client;
mod exporters;
mod grpc;
mod health;
mod http;
mod metrics;
mod receiver;
mod self_metrics;
mod spans;
mod stats;
mod thread;
mod tls;
mod transport;

pub(crate) use self::exporters::{EndBy, Exporters};
pub(crate) use self::self_metrics::SelfMetrics;
pub(crate) use self::spans::SpanQueue;
pub(crate) use self::stats::ExportStats;
pub(crate) use self::thread::ExportThread;
