//! The metrics exporter.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::out::Out;
use super::series::series;
use super::spans::{not_written, service};
use super::table::Table;

/// Prints a table of all metrics at each export: the values of sums and gauges, and count, mean and percentiles of
/// histograms, since the start of the process.
///
/// A percentile is the upper bound of its bucket, shown with `≤`. At most 60 series are shown, with the last part of each
/// attribute key. `url.full`, `url.path` and `url.query` are hidden.
///
/// # Example
/// ```
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
/// use tower_outbound_telemetry::console::ConsoleMetricExporter;
///
/// let meters = SdkMeterProvider::builder().with_periodic_exporter(ConsoleMetricExporter::new()).build();
/// // … OtelObserver::builder().meter_provider(&meters)
/// meters.shutdown()?;
/// # Ok::<_, opentelemetry_sdk::error::OTelSdkError>(())
/// ```
pub struct ConsoleMetricExporter {
    out: Out,
    is_shutdown: AtomicBool,
}

impl ConsoleMetricExporter {
    /// Prints to standard error, in the terminal's width; 100 columns without a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self { out: Out::default(), is_shutdown: AtomicBool::new(false) }
    }

    /// Prints to this writer, in 100 columns. Each table is one write, followed by a flush.
    #[must_use]
    pub fn with_writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.out = Out::new(writer);
        self
    }
}

impl PushMetricExporter for ConsoleMetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        if self.is_shutdown.load(Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let series = series(metrics);
        if series.is_empty() {
            return Ok(());
        }
        let service = service(metrics.resource());
        let table = Table { series: &series, service: service.as_deref(), width: self.out.width() };
        self.out.write(&format!("{table}\n")).map_err(|error| not_written(&error))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        match self.is_shutdown.swap(true, Ordering::Relaxed) {
            true => Err(OTelSdkError::AlreadyShutdown),
            false => Ok(()),
        }
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

impl Default for ConsoleMetricExporter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ConsoleMetricExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleMetricExporter").finish_non_exhaustive()
    }
}
