use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tower_outbound_otel::{OtelObserver, OtelObserverBuilder};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::pipeline::Pipeline;
use crate::{Report, TelemetryError, Warning, subscriber};

/// Traces, metrics, propagation and a `tracing` subscriber, from the `OTEL_*` variables.
///
/// Keep it until the process ends and call [`shutdown`](Self::shutdown): what was not exported is then sent, and
/// the [`Report`] says what was lost. Export and shutdown work on every flavour of runtime and without one, and
/// never hold up the service: a span that finds the queue full is counted and gone. That the receiver does not
/// take what is sent is told as a `tracing` warning once, and then at most every 60 s; the counts are metrics too
/// (`otel.sdk.exporter.span.exported` and the other two with `error.type`).
///
/// # Example
/// A service that ends with SIGTERM:
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
/// Dropping it does what a shutdown does. Inside a runtime it is done on one of its blocking threads, so no worker
/// is held up, and the end of the runtime waits for it; elsewhere the drop waits.
///
/// # Variables
#[doc = include_str!("variables.md")]
#[derive(Debug)]
#[must_use = "dropping it ends the export"]
pub struct Telemetry {
    /// Taken by the end.
    pipeline: Option<Pipeline>,
}

impl Telemetry {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        Self { pipeline: Some(pipeline) }
    }

    /// What was not understood; told as `tracing` warnings too.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.pipeline.as_ref().map_or(&[], |pipeline| &pipeline.warnings)
    }

    /// The provider of tracers; `None` where traces are off.
    #[must_use]
    pub fn tracer_provider(&self) -> Option<&SdkTracerProvider> {
        self.pipeline.as_ref()?.traces.as_ref()
    }

    /// The provider of meters; `None` where metrics are off.
    #[must_use]
    pub fn meter_provider(&self) -> Option<&SdkMeterProvider> {
        self.pipeline.as_ref()?.metrics.as_ref()
    }

    /// An observer with these providers, whatever the global ones are.
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
        if let Some(metrics) = self.meter_provider() {
            observer = observer.meter_provider(metrics);
        }
        if let Some(keep) = self.pipeline.as_ref().and_then(|pipeline| pipeline.keep.as_ref()) {
            observer = observer.keep(keep.clone());
        }
        observer
    }

    /// The layer that makes `tracing` spans OpenTelemetry's, for a subscriber of your own; `None` (which is a
    /// layer too) where traces are off.
    #[must_use]
    pub fn layer<S>(&self) -> Option<OpenTelemetryLayer<S, SdkTracer>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        self.tracer_provider().map(subscriber::layer)
    }

    /// What was delivered and what was lost so far.
    pub fn report(&self) -> Report {
        self.pipeline.as_ref().map(|pipeline| pipeline.stats.report()).unwrap_or_default()
    }

    /// Sends what was not sent yet, and says what was delivered and lost so far; blocks for at most five seconds
    /// for each signal. A batch that is lost ends it: what is behind that waits for the next export.
    ///
    /// # Errors
    /// When the time is up. What was lost is in the report.
    pub fn force_flush(&self) -> Result<Report, TelemetryError> {
        self.pipeline.as_ref().map_or(Ok(()), Pipeline::flush)?;
        Ok(self.report())
    }

    /// Sends what was not sent yet and ends, within the limit of the
    /// [builder](crate::TelemetryBuilder::shutdown_limit) (five seconds), without blocking the caller's runtime.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the shutdown to finish on its own thread.
    pub async fn shutdown(self) -> Report {
        let (done, wait) = oneshot::channel();
        let stats = self.pipeline.as_ref().map(|pipeline| pipeline.stats.clone()).unwrap_or_default();
        let thread = std::thread::Builder::new().name("otlp-shutdown".into());
        // Without a thread, dropping what it was to run is the shutdown.
        let _ = thread.spawn(move || {
            let _ = done.send(self.shutdown_blocking());
        });
        wait.await.unwrap_or_else(|_| stats.report())
    }

    /// Sends what was not sent yet and ends; blocks for at most the limit of the
    /// [builder](crate::TelemetryBuilder::shutdown_limit) (five seconds).
    pub fn shutdown_blocking(mut self) -> Report {
        self.pipeline.take().map(|mut pipeline| pipeline.end()).unwrap_or_default()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let Some(pipeline) = self.pipeline.take() else { return };
        match Handle::try_current() {
            // One that ends before it begins drops what it was to run, which is the same.
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
        let mut telemetry = builder.shutdown_limit(Duration::from_secs(1)).build().unwrap();
        let mut pipeline = telemetry.pipeline.take().unwrap();
        let (stats, tracer) = (pipeline.stats.clone(), pipeline.traces.clone().unwrap().tracer("test"));
        let mut ended = 0;
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
