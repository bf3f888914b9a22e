//! Providers and propagators from settings.

use opentelemetry::global;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;

use super::handle::Parts;
use super::settings::{Export, Propagator, Settings};
use super::{OtlpProtocol, Telemetry, TelemetryError, client, subscriber};

/// Above the SDK's 2,000: 101 hosts times methods, statuses, phases or reasons.
const SERIES: usize = 10_000;
const MANY_SERIES: [&str; 8] = [
    "http.client.request.body.size",
    "http.client.request.duration",
    "http.client.response.body.size",
    "outbound.body.duration",
    "outbound.connect.duration",
    "outbound.connection.closed",
    "outbound.phase.duration",
    "outbound.requests",
];

pub(super) fn build(
    settings: Settings,
    globals: bool,
    subscriber: bool,
) -> Result<Telemetry, TelemetryError> {
    let exports = [&settings.traces, &settings.metrics];
    let grpc = exports.iter().any(|export| export.as_ref().is_some_and(|e| e.protocol == OtlpProtocol::Grpc));
    let runtime = if grpc { Some(client::runtime()?) } else { None };
    let resource = Resource::builder().with_service_name(settings.service.clone()).build();

    let mut parts = Parts { runtime, ..Parts::default() };
    if let Some(export) = &settings.traces {
        let exporter = span_exporter(export, parts.runtime.as_ref())?;
        let provider = SdkTracerProvider::builder().with_resource(resource.clone());
        parts.traces = Some(provider.with_batch_exporter(exporter).build());
    }
    if let Some(export) = &settings.metrics {
        let exporter = metric_exporter(export, parts.runtime.as_ref())?;
        let provider = SdkMeterProvider::builder().with_resource(resource).with_view(more_series);
        parts.metrics = Some(provider.with_periodic_exporter(exporter).build());
    }
    parts.warnings = settings.warnings;

    if globals {
        if let Some(traces) = &parts.traces {
            global::set_tracer_provider(traces.clone());
        }
        if let Some(metrics) = &parts.metrics {
            global::set_meter_provider(metrics.clone());
        }
        global::set_text_map_propagator(propagator(&settings.propagators));
    }
    if subscriber {
        let warning = subscriber::install(parts.traces.as_ref(), settings.log_filter.as_deref());
        parts.warnings.extend(warning);
    }
    for warning in &parts.warnings {
        tracing::warn!(target: "tower_outbound_otel", "{warning}");
    }
    Ok(Telemetry::new(parts))
}

/// The protocol is always told: left out, it depends on features that any crate may turn on.
fn span_exporter(export: &Export, runtime: Option<&Runtime>) -> Result<SpanExporter, TelemetryError> {
    let builder = SpanExporter::builder();
    let exporter = match (export.protocol, runtime) {
        (OtlpProtocol::Grpc, Some(runtime)) => builder
            .with_tonic()
            .with_protocol(Protocol::Grpc)
            .with_channel(client::channel(runtime, &export.endpoint, export.timeout)?)
            .with_timeout(export.timeout)
            .build(),
        _ => builder
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&export.endpoint)
            .with_timeout(export.timeout)
            .with_http_client(client::http(export.timeout)?)
            .build(),
    };
    exporter.map_err(not_built)
}

fn metric_exporter(export: &Export, runtime: Option<&Runtime>) -> Result<MetricExporter, TelemetryError> {
    let builder = MetricExporter::builder();
    let exporter = match (export.protocol, runtime) {
        (OtlpProtocol::Grpc, Some(runtime)) => builder
            .with_tonic()
            .with_protocol(Protocol::Grpc)
            .with_channel(client::channel(runtime, &export.endpoint, export.timeout)?)
            .with_timeout(export.timeout)
            .build(),
        _ => builder
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&export.endpoint)
            .with_timeout(export.timeout)
            .with_http_client(client::http(export.timeout)?)
            .build(),
    };
    exporter.map_err(not_built)
}

fn not_built(error: ExporterBuildError) -> TelemetryError {
    TelemetryError::new("building the exporter", error)
}

fn more_series(instrument: &Instrument) -> Option<Stream> {
    let ours = instrument.scope().name() == env!("CARGO_PKG_NAME");
    if !ours || !MANY_SERIES.contains(&instrument.name()) {
        return None;
    }
    Stream::builder().with_cardinality_limit(SERIES).build().ok()
}

pub(super) fn propagator(propagators: &[Propagator]) -> TextMapCompositePropagator {
    let each = propagators.iter().map(|propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
        match propagator {
            Propagator::TraceContext => Box::new(TraceContextPropagator::new()),
            Propagator::Baggage => Box::new(BaggagePropagator::new()),
        }
    });
    TextMapCompositePropagator::new(each.collect())
}
