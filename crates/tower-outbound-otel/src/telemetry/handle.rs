use std::sync::mpsc;
use std::time::Duration;

use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use super::{TelemetryBuilder, TelemetryError, Warning, subscriber};

/// The SDK's own limit is as long, for each of the two signals.
const LIMIT: Duration = Duration::from_secs(10);

/// Traces, metrics, propagation and a `tracing` subscriber, from the `OTEL_*` variables.
///
/// Keep it until the process ends and call [`shutdown`](Self::shutdown): what was not exported is then sent.
/// Dropping it does the same, and blocks meanwhile. Export and shutdown work on every flavour of runtime and
/// without one.
///
/// | variable | honoured | default |
/// | --- | --- | --- |
/// | `OTEL_SDK_DISABLED` | `true`: no traces, no metrics; propagation stays | `false` |
/// | `OTEL_SERVICE_NAME` | before `service.name` of `OTEL_RESOURCE_ATTRIBUTES` | the name in the code |
/// | `OTEL_PROPAGATORS` | `tracecontext`, `baggage`, `none` | `tracecontext,baggage` |
/// | `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` | `otlp`, `none` | `otlp` |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL`, `…_TRACES_…`, `…_METRICS_…` | `grpc`, `http/protobuf` | `http/protobuf` |
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | over HTTP with `/v1/traces`, `/v1/metrics` added | `http://localhost:4318` or, for gRPC, `:4317` |
/// | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `…_METRICS_…` | verbatim | the one above |
/// | `OTEL_EXPORTER_OTLP_INSECURE` | for a gRPC endpoint without scheme | `false` |
/// | `OTEL_EXPORTER_OTLP_TIMEOUT`, `…_TRACES_…`, `…_METRICS_…` | milliseconds | `10000` |
/// | `OTEL_EXPORTER_OTLP_HEADERS`, `_COMPRESSION` (`gzip`), each signal's too | by the exporter | none |
/// | `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_BSP_*`, `OTEL_SPAN_*_LIMIT`, `OTEL_METRIC_EXPORT_INTERVAL` | by the SDK | the SDK's |
/// | `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` | by [`OtelObserver`](crate::OtelObserver) | the convention's list |
/// | `RUST_LOG` | filter of the subscriber | `info,opentelemetry=warn` |
///
/// # Example
/// ```no_run
/// use tower_outbound_otel::Telemetry;
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let telemetry = Telemetry::from_env("shop")?;
///     // … serve …
///     telemetry.shutdown().await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "dropping it ends the export"]
pub struct Telemetry {
    parts: Parts,
}

#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) traces: Option<SdkTracerProvider>,
    pub(super) metrics: Option<SdkMeterProvider>,
    pub(super) runtime: Option<Runtime>,
    pub(super) warnings: Vec<Warning>,
}

impl Telemetry {
    /// Builds the pipeline that the environment asks for and makes it the process's.
    ///
    /// # Errors
    /// When the system gives no thread or runtime, or an exporter cannot be built. No value of a variable is
    /// an error: see [`warnings`](Self::warnings).
    pub fn from_env(service: impl Into<String>) -> Result<Self, TelemetryError> {
        Self::builder(service).build()
    }

    /// Starts a pipeline with options.
    pub fn builder(service: impl Into<String>) -> TelemetryBuilder {
        TelemetryBuilder::new(service.into())
    }

    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// What was not understood; told as `tracing` warnings too.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.parts.warnings
    }

    /// The provider of tracers; `None` where traces are off.
    #[must_use]
    pub fn tracer_provider(&self) -> Option<&SdkTracerProvider> {
        self.parts.traces.as_ref()
    }

    /// The provider of meters; `None` where metrics are off.
    #[must_use]
    pub fn meter_provider(&self) -> Option<&SdkMeterProvider> {
        self.parts.metrics.as_ref()
    }

    /// The layer that makes `tracing` spans OpenTelemetry's, for a subscriber of your own; `None` (which is a
    /// layer too) where traces are off.
    #[must_use]
    pub fn layer<S>(&self) -> Option<OpenTelemetryLayer<S, SdkTracer>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        self.parts.traces.as_ref().map(subscriber::layer)
    }

    /// Sends what was not sent yet; blocks for at most ten seconds.
    ///
    /// # Errors
    /// When the time is up, or metrics could not be exported. Of spans that were lost the SDK only logs.
    pub fn force_flush(&self) -> Result<(), TelemetryError> {
        let (traces, metrics) = (self.parts.traces.clone(), self.parts.metrics.clone());
        bounded("flush", move || {
            let traces = traces.map_or(Ok(()), |traces| traces.force_flush());
            let metrics = metrics.map_or(Ok(()), |metrics| metrics.force_flush());
            TelemetryError::of_sdk("flushing traces", traces)
                .and(TelemetryError::of_sdk("flushing metrics", metrics))
        })
    }

    /// Sends what was not sent yet and ends, without blocking the caller's runtime.
    ///
    /// # Errors
    /// As [`shutdown_blocking`](Self::shutdown_blocking).
    ///
    /// # Cancel safety
    /// Dropping the future leaves the shutdown to finish on its own thread.
    pub async fn shutdown(self) -> Result<(), TelemetryError> {
        let (done, wait) = oneshot::channel();
        let thread = std::thread::Builder::new().name("otlp-shutdown".into());
        let spawned = thread.spawn(move || {
            let _ = done.send(self.shutdown_blocking());
        });
        spawned.map_err(|error| TelemetryError::new("starting the shutdown", error))?;
        wait.await.unwrap_or_else(|error| Err(TelemetryError::new("shutdown", error)))
    }

    /// Sends what was not sent yet and ends; blocks for at most ten seconds.
    ///
    /// # Errors
    /// When the time is up, or metrics could not be exported. Of spans that were lost the SDK only logs.
    pub fn shutdown_blocking(mut self) -> Result<(), TelemetryError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), TelemetryError> {
        let (traces, metrics) = (self.parts.traces.take(), self.parts.metrics.take());
        let ended = match (&traces, &metrics) {
            (None, None) => Ok(()),
            _ => bounded("shutdown", move || {
                let traces = traces.map_or(Ok(()), |traces| traces.shutdown());
                let metrics = metrics.map_or(Ok(()), |metrics| metrics.shutdown());
                TelemetryError::of_sdk("shutting down traces", traces)
                    .and(TelemetryError::of_sdk("shutting down metrics", metrics))
            }),
        };
        // Dropped inside another runtime, a runtime panics.
        if let Some(runtime) = self.parts.runtime.take() {
            runtime.shutdown_background();
        }
        ended
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(target: "tower_outbound_otel", error = &error as &dyn std::error::Error, "telemetry lost");
        }
    }
}

/// Runs it on a thread of its own and waits for at most the limit: the SDK's own limits do not always hold.
fn bounded(
    doing: &'static str,
    run: impl FnOnce() -> Result<(), TelemetryError> + Send + 'static,
) -> Result<(), TelemetryError> {
    let (done, wait) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("otlp-{doing}"));
    let spawned = thread.spawn(move || {
        let _ = done.send(run());
    });
    spawned.map_err(|error| TelemetryError::new(doing, error))?;
    wait.recv_timeout(LIMIT).unwrap_or_else(|error| Err(TelemetryError::new(doing, error)))
}
