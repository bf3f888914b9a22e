//! Processor and reader for the console.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter};

use crate::console::{ConsoleMetricExporter, ConsoleSpanExporter};
use crate::export::ExportStats;

/// Short, for a person who watches. Exports run on a thread of their own, since terminals may be slow.
const SOON: Duration = Duration::from_millis(200);

/// `stats`: counts what is printed as delivered, where nothing else is.
pub(crate) fn spans(stats: Option<Arc<ExportStats>>) -> BatchSpanProcessor {
    let soon = BatchConfigBuilder::default().with_scheduled_delay(SOON).build();
    let exporter = Counted { exporter: ConsoleSpanExporter::new(), stats };
    BatchSpanProcessor::builder(exporter).with_batch_config(soon).build()
}

pub(crate) fn metrics(
    interval: Duration,
    stats: Option<Arc<ExportStats>>,
) -> PeriodicReader<impl PushMetricExporter> {
    let exporter = Counted { exporter: ConsoleMetricExporter::new(), stats };
    PeriodicReader::builder(exporter).with_interval(interval).build()
}

/// An exporter whose exports are counted.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    stats: Option<Arc<ExportStats>>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        if let Some(stats) = &self.stats {
            stats.printed_spans(count, result.is_ok());
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Counted<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        if let Some(stats) = self.stats.as_ref().filter(|_| metrics.scope_metrics().next().is_some()) {
            stats.printed_metrics(result.is_ok());
        }
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
