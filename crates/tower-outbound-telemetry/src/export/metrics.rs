//! Exports the metrics that the SDK's reader collects.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tokio::runtime::Handle;

use super::exporter::MetricExport;
use super::health::Health;
use super::outcome::{Cutoff, run};

/// Called on the reader's thread, which waits for the export.
pub(crate) struct MetricExporter {
    pub(super) runtime: Handle,
    pub(super) exporter: Box<dyn MetricExport>,
    pub(super) cutoff: Cutoff,
    pub(super) health: Arc<Health>,
}

impl PushMetricExporter for MetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let points = data_points(metrics);
        if points == 0 {
            return Ok(());
        }
        let stats = self.health.stats();
        stats.begin_metrics(points);
        let outcome =
            run(&self.runtime, self.cutoff.clone(), &self.health, self.exporter.send(metrics)).await;
        if let Some(reason) = stats.end_metrics(outcome) {
            self.health.loses(reason);
        }
        // Losses are counted and logged here; the SDK would log them again.
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.close(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporal()
    }
}

fn data_points(metrics: &ResourceMetrics) -> u64 {
    let metrics = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
    let points = metrics.map(|metric| match metric.data() {
        AggregatedMetrics::F64(data) => points(data),
        AggregatedMetrics::U64(data) => points(data),
        AggregatedMetrics::I64(data) => points(data),
    });
    points.sum::<usize>() as u64
}

fn points<T>(data: &MetricData<T>) -> usize {
    match data {
        MetricData::Gauge(gauge) => gauge.data_points().count(),
        MetricData::Sum(sum) => sum.data_points().count(),
        MetricData::Histogram(histogram) => histogram.data_points().count(),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
    }
}
