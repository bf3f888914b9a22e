//! Readers of metrics beside the export.

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::metrics::data::{ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::in_memory_exporter::InMemoryMetricExporter;
use outbound_tests::otlp::Receiver;
use tower_outbound_telemetry::{OtlpProtocol, Telemetry, TelemetryBuilder};

/// A pipeline with a reader, and what it has read. `variables` are the environment.
fn build(
    variables: &'static [(&str, &str)],
    configure: impl FnOnce(TelemetryBuilder) -> TelemetryBuilder,
) -> (Telemetry, InMemoryMetricExporter) {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let lookup =
        |key: &str| variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    let builder = Telemetry::builder("shop").lookup(lookup).without_globals();
    let builder = configure(builder).metrics_with(|provider| provider.with_reader(reader));
    (builder.build().unwrap(), exporter)
}

fn count(telemetry: &Telemetry) {
    telemetry.meter_provider().unwrap().meter("test").u64_counter("orders").build().add(7, &[]);
    let _report = telemetry.force_flush().unwrap();
}

fn names(exporter: &InMemoryMetricExporter) -> Vec<String> {
    let finished = exporter.get_finished_metrics().unwrap();
    let scopes = finished.iter().flat_map(ResourceMetrics::scope_metrics);
    scopes.flat_map(ScopeMetrics::metrics).map(|metric| metric.name().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_beside_export_has_the_same_metrics() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.http_endpoint();
    let (telemetry, exporter) =
        build(&[], |builder| builder.protocol(OtlpProtocol::HttpProtobuf).endpoint(endpoint));
    tokio::task::block_in_place(|| count(&telemetry));
    assert!(names(&exporter).contains(&"orders".to_owned()));
    assert!(receiver.metric_names().contains("orders"));
    assert!(telemetry.shutdown().await.is_complete());
}

#[tokio::test]
async fn reader_without_export_has_a_provider() {
    let (telemetry, exporter) = build(&[("OTEL_METRICS_EXPORTER", "none")], |builder| builder);
    count(&telemetry);
    assert_eq!(names(&exporter), ["orders"]);
    let (telemetry, _) = build(&[("OTEL_SDK_DISABLED", "true")], |builder| builder);
    assert!(telemetry.meter_provider().is_none());
}
