//! An observer over a real SDK whose exporters throw everything away.

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tower_outbound_otel::{Metrics, OtelObserver};

#[derive(Debug)]
struct Void;

impl SpanExporter for Void {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

impl opentelemetry_sdk::metrics::exporter::PushMetricExporter for Void {
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

/// An observer, and the providers that have to live as long.
pub(crate) fn observer(
    sampled: bool,
    metrics: bool,
) -> (OtelObserver, (SdkTracerProvider, SdkMeterProvider)) {
    let sampler = if sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    let traces = SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Void).build();
    let meters = SdkMeterProvider::builder().with_reader(PeriodicReader::builder(Void).build()).build();
    let observer = OtelObserver::builder()
        .tracer_provider(&traces)
        .meter_provider(&meters)
        .metrics(if metrics { Metrics::All } else { Metrics::Off })
        .build();
    (observer, (traces, meters))
}
