//! An observer with a real SDK whose exporters discard everything.

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tower_outbound_otel::{Metrics, OtelObserver};

#[derive(Debug)]
struct DiscardExporter;

impl SpanExporter for DiscardExporter {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

impl opentelemetry_sdk::metrics::exporter::PushMetricExporter for DiscardExporter {
    async fn export(&self, _: &opentelemetry_sdk::metrics::data::ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// An observer and its providers, which must live as long.
pub(crate) fn observer(
    sampled: bool,
    metrics: bool,
) -> (OtelObserver, (SdkTracerProvider, SdkMeterProvider)) {
    let sampler = if sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    let traces =
        SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(DiscardExporter).build();
    let meters =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(DiscardExporter).build()).build();
    let observer = OtelObserver::builder()
        .tracer_provider(&traces)
        .meter_provider(&meters)
        .metrics(if metrics { Metrics::All } else { Metrics::Off })
        .build();
    (observer, (traces, meters))
}
