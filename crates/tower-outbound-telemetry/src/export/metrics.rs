//! Exports the metrics that the SDK's reader collects.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tokio::runtime::Handle;

use super::client::ExportClient;
use super::stats::ExportStats;
use crate::Loss;

/// Called on the reader's thread, which waits for the export thread.
pub(crate) struct MetricExporter {
    pub(super) export_thread: Handle,
    pub(super) client: Arc<ExportClient>,
    pub(super) stats: Arc<ExportStats>,
    pub(super) temporality: Temporality,
}

impl PushMetricExporter for MetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let request = ExportMetricsServiceRequest::from(metrics);
        let points = data_points(&request);
        if points == 0 {
            return Ok(());
        }
        let client = Arc::clone(&self.client);
        let delivery = self.export_thread.spawn(async move { client.deliver(&request).await });
        let outcome = delivery.await.unwrap_or(Err(Loss::ShutDown));
        self.stats.data_points.settle(points, outcome);
        let whole = match outcome {
            Ok(0) => Ok(0),
            Ok(_) => Err(Loss::Rejected),
            Err(loss) => Err(loss),
        };
        self.stats.metric_exports.settle(1, whole);
        // Losses are counted and logged here; the SDK would log them again.
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

fn data_points(request: &ExportMetricsServiceRequest) -> u64 {
    let metrics = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let points = metrics.flat_map(|scope| &scope.metrics).map(|metric| match &metric.data {
        None => 0,
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
    });
    points.sum::<usize>() as u64
}
