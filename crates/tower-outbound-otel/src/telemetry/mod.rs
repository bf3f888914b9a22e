//! The whole pipeline from the `OTEL_*` variables: traces, metrics, propagation, a `tracing` subscriber.
//!
//! A value that is not understood never stops the process: it becomes a [`Warning`] that names the
//! variable, its value, and what is used in its place.

mod builder;
#[cfg(feature = "console")]
mod console;
mod error;
mod export;
mod globals;
mod handle;
mod pipeline;
mod report;
mod sampler;
mod settings;
mod subscriber;
mod warning;

pub use self::builder::{OtlpProtocol, TelemetryBuilder};
pub use self::error::TelemetryError;
pub use self::handle::Telemetry;
pub use self::report::{Loss, Report, Tally};
pub use self::warning::Warning;
