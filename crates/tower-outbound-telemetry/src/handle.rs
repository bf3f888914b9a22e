use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanProcessor};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tower_outbound_otel::{OtelObserver, OtelObserverBuilder};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::pipeline::Pipeline;
use crate::{Report, TelemetryError, Warning, subscriber};

/// A pipeline of traces, metrics and propagation.
///
/// Keep the value until the process ends, then call [`shutdown`](Self::shutdown): it exports pending telemetry and returns
/// a [`Report`] of losses. Export and shutdown work on every tokio runtime and without one, and never block the service: a
/// span that finds the queue full is dropped and counted. Failed exports are logged as a `tracing` warning, at most once in
/// 60 s, and counted in the metrics `otel.sdk.exporter.span.exported`, `otel.sdk.exporter.metric_data_point.exported` and
/// `otel.sdk.processor.span.processed` by `error.type`.
///
/// # Example
/// A service that stops on SIGTERM:
/// ```no_run
/// use tokio::signal::unix::{SignalKind, signal};
/// use tower_outbound_telemetry::Telemetry;
///
/// # async fn serve() {}
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let telemetry = Telemetry::from_env("shop")?;
///     let mut terminate = signal(SignalKind::terminate())?;
///     tokio::select! {
///         () = serve() => {}
///         _ = terminate.recv() => {}
///     }
///     let report = telemetry.shutdown().await;
///     if !report.is_complete() {
///         eprintln!("telemetry: {report}");
///     }
///     Ok(())
/// }
/// ```
///
/// # Cancel safety
/// A drop shuts the pipeline down. Inside a tokio runtime, the shutdown runs on a blocking thread, and the runtime waits for
/// it when it stops; outside, the drop blocks.
///
/// # Variables
#[doc = include_str!("variables.md")]
#[derive(Debug)]
#[must_use = "a drop shuts the pipeline down"]
pub struct Telemetry {
    /// Taken by the shutdown.
    pipeline: Option<Pipeline>,
}

impl Telemetry {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        Self { pipeline: Some(pipeline) }
    }

    /// Variables that could not be used. They are logged as `tracing` warnings too.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.pipeline.as_ref().map_or(&[], |pipeline| &pipeline.warnings)
    }

    /// The tracer provider; `None` if traces are off.
    #[must_use]
    pub fn tracer_provider(&self) -> Option<&SdkTracerProvider> {
        self.pipeline.as_ref()?.traces.as_ref()
    }

    /// The meter provider; `None` if metrics are off.
    #[must_use]
    pub fn meter_provider(&self) -> Option<&SdkMeterProvider> {
        self.pipeline.as_ref()?.metrics.as_ref()
    }

    /// The queue of spans for the export, as a processor for another tracer provider: see
    /// [`TelemetryBuilder::span_processor`](crate::TelemetryBuilder::span_processor). `None` if spans are not exported.
    ///
    /// Its spans are exported with this pipeline's resource. The shutdown of either pipeline ends it.
    #[must_use]
    pub fn span_processor(&self) -> Option<impl SpanProcessor + use<>> {
        self.pipeline.as_ref()?.span_processor()
    }

    /// Starts an observer that uses this pipeline's providers.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::Outbound;
    /// use tower_outbound_telemetry::Telemetry;
    ///
    /// let telemetry = Telemetry::builder("shop").without_globals().build()?;
    /// let outbound = Outbound::builder().observer(telemetry.observer().build()).build();
    /// # let _ = outbound;
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    pub fn observer(&self) -> OtelObserverBuilder {
        let mut observer = OtelObserver::builder();
        if let Some(traces) = self.tracer_provider() {
            observer = observer.tracer_provider(traces);
        }
        if let Some(attempts) = self.pipeline.as_ref().and_then(|pipeline| pipeline.attempts.clone()) {
            observer = observer.attempt_sink(attempts);
        }
        if let Some(metrics) = self.meter_provider() {
            observer = observer.meter_provider(metrics);
        }
        if let Some(keep) = self.pipeline.as_ref().and_then(|pipeline| pipeline.keep.as_ref()) {
            observer = observer.keep(keep.clone());
        }
        observer
    }

    /// The layer that exports `tracing` spans, for a subscriber of your own; `None`, which is a layer too, if traces are off.
    ///
    /// # Example
    /// ```no_run
    /// use tower_outbound_telemetry::Telemetry;
    /// use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
    ///
    /// let telemetry = Telemetry::from_env("shop")?;
    /// // Without a filter, the spans of every library are exported.
    /// tracing_subscriber::registry().with(LevelFilter::INFO).with(fmt::layer()).with(telemetry.layer()).init();
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    #[must_use]
    pub fn layer<S>(&self) -> Option<OpenTelemetryLayer<S, SdkTracer>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        self.tracer_provider().map(subscriber::layer)
    }

    /// The numbers of delivered and lost items so far.
    pub fn report(&self) -> Report {
        self.pipeline.as_ref().map(|pipeline| pipeline.stats.report()).unwrap_or_default()
    }

    /// Exports pending telemetry and returns the numbers of delivered and lost items so far. Blocks for at most five seconds
    /// per signal. Stops at the first lost batch; later spans wait for the next export.
    ///
    /// # Errors
    /// If the time is up. Losses are not errors: they are in the report.
    pub fn force_flush(&self) -> Result<Report, TelemetryError> {
        self.pipeline.as_ref().map_or(Ok(()), Pipeline::flush)?;
        Ok(self.report())
    }

    /// Exports pending telemetry and ends the pipeline, within
    /// [`shutdown_timeout`](crate::TelemetryBuilder::shutdown_timeout). Does not block the runtime.
    ///
    /// # Cancel safety
    /// If the future is dropped, the shutdown continues on a thread of its own.
    pub async fn shutdown(self) -> Report {
        let (done, wait) = oneshot::channel();
        let stats = self.pipeline.as_ref().map(|pipeline| pipeline.stats.clone()).unwrap_or_default();
        let thread = std::thread::Builder::new().name("otlp-shutdown".into());
        // If no thread can be started, the closure is dropped, which shuts the pipeline down.
        let _ = thread.spawn(move || {
            let _ = done.send(self.shutdown_blocking());
        });
        wait.await.unwrap_or_else(|_| stats.report())
    }

    /// Exports pending telemetry and ends the pipeline. Blocks for at most
    /// [`shutdown_timeout`](crate::TelemetryBuilder::shutdown_timeout).
    pub fn shutdown_blocking(mut self) -> Report {
        self.pipeline.take().map(|mut pipeline| pipeline.end()).unwrap_or_default()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let Some(pipeline) = self.pipeline.take() else { return };
        match Handle::try_current() {
            // A runtime that stops first drops the closure, which shuts the pipeline down.
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(pipeline))),
            Err(_) => drop(pipeline),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};

    use super::*;
    use crate::Loss;

    #[test]
    fn shutdown_counts_span_ended_while_shutting_down() {
        let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
        let builder = Telemetry::builder("shop").lookup(|_| None).without_globals();
        let builder = builder.endpoint(format!("http://{}", hanging.local_addr().unwrap()));
        let mut telemetry = builder.shutdown_timeout(Duration::from_secs(1)).build().unwrap();
        let mut pipeline = telemetry.pipeline.take().unwrap();
        let (stats, tracer) = (pipeline.stats.clone(), pipeline.traces.clone().unwrap().tracer("test"));
        // The shutdown waits for this span, whose receiver never answers: time enough for another span to end.
        tracer.start("queued").end();
        let mut ended = 1;
        let report = std::thread::scope(|scope| {
            let end = scope.spawn(|| pipeline.end());
            while stats.report().spans().lost_by(Loss::ShutDown) == 0 && !end.is_finished() {
                let mut span = tracer.start("a span");
                ended += u64::from(span.is_recording());
                span.end();
            }
            end.join().unwrap()
        });
        let spans = report.spans();
        assert_eq!((spans.lost(), spans.lost_by(Loss::ShutDown)), (ended, 1), "{report}");
    }
}
