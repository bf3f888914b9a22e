//! Exporters of any type.

use std::any::type_name;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanExporter;

use super::batch::Batch;

pub(super) type Exporting<'a> = Pin<Box<dyn Future<Output = OTelSdkResult> + Send + 'a>>;

/// A [`SpanExporter`] without its type, or one that makes the spans of attempts itself.
pub(crate) trait SpanExport: Send + Sync {
    fn name(&self) -> &'static str;
    fn describe(&mut self, resource: &Resource);
    fn send(&self, batch: Batch) -> Exporting<'_>;
    fn flush(&self);
    fn close(&self, timeout: Duration);
}

impl<E: SpanExporter> SpanExport for E {
    fn name(&self) -> &'static str {
        type_name::<E>()
    }

    fn describe(&mut self, resource: &Resource) {
        self.set_resource(resource);
    }

    fn send(&self, batch: Batch) -> Exporting<'_> {
        Box::pin(self.export(batch.into_spans()))
    }

    fn flush(&self) {
        let _ = self.force_flush();
    }

    fn close(&self, timeout: Duration) {
        let _ = self.shutdown_with_timeout(timeout);
    }
}

/// A [`PushMetricExporter`] without its type.
pub(crate) trait MetricExport: Send + Sync {
    fn name(&self) -> &'static str;
    fn temporal(&self) -> Temporality;
    fn send<'a>(&'a self, metrics: &'a ResourceMetrics) -> Exporting<'a>;
    fn flush(&self) -> OTelSdkResult;
    fn close(&self, timeout: Duration) -> OTelSdkResult;
}

impl<E: PushMetricExporter> MetricExport for E {
    fn name(&self) -> &'static str {
        type_name::<E>()
    }

    fn temporal(&self) -> Temporality {
        self.temporality()
    }

    fn send<'a>(&'a self, metrics: &'a ResourceMetrics) -> Exporting<'a> {
        Box::pin(self.export(metrics))
    }

    fn flush(&self) -> OTelSdkResult {
        self.force_flush()
    }

    fn close(&self, timeout: Duration) -> OTelSdkResult {
        self.shutdown_with_timeout(timeout)
    }
}
