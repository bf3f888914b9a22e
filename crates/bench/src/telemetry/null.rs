//! Providers whose exporters send nothing.

use std::time::Duration;

use opentelemetry::global;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};

use super::Flush;
use super::counted::batched;

#[derive(Clone, Copy, Debug)]
struct Null;

impl SpanExporter for Null {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

impl PushMetricExporter for Null {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// With the SDK's reader, each 60 s.
pub(crate) fn metrics() -> SdkMeterProvider {
    SdkMeterProvider::builder().with_periodic_exporter(Null).build()
}

/// With the propagator of the W3C, as everyone sets it.
pub(crate) fn traces(share: f64) -> (SdkTracerProvider, Flush) {
    let sampler = if share < 1.0 { Sampler::TraceIdRatioBased(share) } else { Sampler::AlwaysOn };
    let builder = SdkTracerProvider::builder().with_sampler(Sampler::ParentBased(Box::new(sampler)));
    let (provider, flush) = batched(builder, Null);
    global::set_tracer_provider(provider.clone());
    global::set_text_map_propagator(TraceContextPropagator::new());
    (provider, flush)
}
