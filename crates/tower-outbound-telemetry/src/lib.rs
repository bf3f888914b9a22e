//! OpenTelemetry traces, metrics and propagation from the `OTEL_*` variables, for services that use tower-outbound.
//!
//! [`Telemetry::from_env`] builds the providers, the OTLP exporters and the propagators. [`Telemetry::layer`] exports the spans of
//! your `tracing` subscriber. [`Telemetry::observer`] returns an observer for an [`Outbound`](tower_outbound::Outbound) that records to them.
//! A service that has OpenTelemetry providers already needs only `tower-outbound-otel`.
//!
//! ```
//! use tower_outbound::Outbound;
//! use tower_outbound_telemetry::Telemetry;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), tower_outbound_telemetry::TelemetryError> {
//! let telemetry = Telemetry::builder("shop").shutdown_timeout(std::time::Duration::from_secs(2)).build()?;
//! let outbound = Outbound::builder().observer(telemetry.observer().build()).build();
//! // … the service runs with `outbound.client()`; then, at the end:
//! # let _ = outbound;
//! let report = telemetry.shutdown().await;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! A variable whose value cannot be used never stops the process. It becomes a [`Warning`] that names the variable,
//! its value and the value used instead. The table of variables is in the documentation of [`Telemetry`].
//!
//! # Features
//!
//! | feature | adds | default |
//! | --- | --- | --- |
//! | `console` | the module `console`, with exporters that print traces and metrics; the value `console` of `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER` | off |
//! | `zstd` | the value `zstd` of `OTEL_EXPORTER_OTLP_COMPRESSION`; compiles C | off |
//!
//! # The exporter
//!
//! `opentelemetry-otlp` makes the OTLP requests; its HTTP client is this crate's delivery, which sends them with an
//! [`OutboundClient`](tower_outbound::OutboundClient) over HTTP or, in a gRPC frame, over gRPC. Beside `opentelemetry-otlp`
//! 0.33.1 with the SDK's batch processor and periodic reader, the delivery adds:
//!
//! | | this crate | `opentelemetry-otlp` with a client of its own |
//! | --- | --- | --- |
//! | losses | counted by reason: [`Report`], `otel.sdk.*` metrics | a log line; flush and shutdown may return `Ok` although batches were lost |
//! | shutdown | ends within [one timeout](TelemetryBuilder::shutdown_timeout) | the meter provider ignores its timeout |
//! | runtime | a thread of its own; works without a tokio runtime, and if its workers are blocked | with gRPC, a shutdown on a current-thread runtime times out |
//! | batches | up to four at a time, for a receiver far away | one at a time |
//! | variables | those of [`Telemetry`]; a [`Warning`] for each invalid one | not `OTEL_SDK_DISABLED`, `OTEL_PROPAGATORS`, `OTEL_*_EXPORTER`, or the certificates |
//! | logs | no | yes |
//!
//! Another exporter can be [given](TelemetryBuilder::span_exporter).
//!
//! # Minimum Rust version
//!
//! 1.88, which tonic requires.

#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg = false))]

mod announcement;
mod builder;
#[cfg(feature = "console")]
#[cfg_attr(docsrs, doc(cfg(feature = "console")))]
pub mod console;
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

pub use tower_outbound_otel::keep::Keep;

pub use self::builder::TelemetryBuilder;
pub use self::error::TelemetryError;
pub use self::handle::Telemetry;
pub use self::report::{Loss, Report, Tally};
pub use self::settings::OtlpProtocol;
pub use self::warning::Warning;

/// Compiles the README's code.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
