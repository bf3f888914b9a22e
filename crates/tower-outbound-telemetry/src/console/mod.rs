//! Telemetry on the console, for development.
//!
//! | type | prints |
//! | --- | --- |
//! | [`ConsoleSpanExporter`] | a waterfall for each trace |
//! | [`ConsoleMetricExporter`] | a table of all metrics, at each export |
//! | [`ConsoleObserver`] | a line for each attempt; needs no OpenTelemetry |
//! | [`Waterfall`] | a waterfall of given spans |
//!
//! They write to standard error by default. Not for production: each span is formatted, and the writing thread waits for the
//! terminal.
//!
//! # A trace
//!
//! ```text
//! trace 4bf92f3577b34da6a3ce929d0e0e4736  34.00 ms
//!   GET /users/{id} (shop)                  │██████████████████████████████████│  34.00 ms  200 #7 new
//!     HTTP connection_setup example.com:443 │ ██████████                       │  10.00 ms
//!       DNS lookup example.com              │ ██                               │   2.00 ms
//!       socket connect 192.0.2.1:443        │   ██                             │   2.00 ms
//!       TLS client handshake example.com    │     ██████                       │   6.00 ms
//!     outbound.send                         │           █                      │   1.00 ms
//!     outbound.wait                         │            ██████████████████    │  18.00 ms
//!     outbound.body                         │                              ████│   4.00 ms
//!                                            0                         34.00 ms
//! ```
//!
//! A bar shows when its span ran. The columns after it are the duration, `✗` for a failure, the status, `error.type`, and
//! `#7 new`: connection 7, which was new.
//!
//! # Example
//! ```
//! use opentelemetry_sdk::metrics::SdkMeterProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use tower_outbound::Outbound;
//! use tower_outbound_otel::OtelObserver;
//! use tower_outbound_telemetry::console::{ConsoleMetricExporter, ConsoleSpanExporter};
//!
//! let traces = SdkTracerProvider::builder().with_batch_exporter(ConsoleSpanExporter::new()).build();
//! let meters = SdkMeterProvider::builder().with_periodic_exporter(ConsoleMetricExporter::new()).build();
//! let observer = OtelObserver::builder().tracer_provider(&traces).meter_provider(&meters).build();
//! let outbound = Outbound::builder().observer(observer).build();
//! // … `outbound.connector(..)` below the client, `outbound.layer()` around it, requests; then, at the end:
//! # let _ = outbound;
//! traces.shutdown()?;
//! meters.shutdown()?;
//! # Ok::<_, opentelemetry_sdk::error::OTelSdkError>(())
//! ```
//!
//! # Variables
//!
//! | variable | honoured | default |
//! | --- | --- | --- |
//! | `NO_COLOR` | with any value: no colours on a terminal | unset |

mod bar;
mod blocks;
mod destinations;
mod metrics;
mod observer;
mod out;
mod series;
mod spans;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod traces;
mod tree;
mod unit;
mod waterfall;

pub use self::bar::Bar;
pub(crate) use self::destinations::{metrics, spans};
pub use self::metrics::ConsoleMetricExporter;
pub use self::observer::ConsoleObserver;
pub use self::spans::ConsoleSpanExporter;
pub use self::waterfall::Waterfall;
