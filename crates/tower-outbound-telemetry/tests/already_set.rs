//! Global providers that exist already are kept, and the error names the alternative.

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tower_outbound_telemetry::{Telemetry, TelemetryBuilder, TelemetryError};

fn builder() -> TelemetryBuilder {
    Telemetry::builder("shop").lookup(|_| None)
}

fn told(error: &TelemetryError) -> (&str, String) {
    (error.already_set_what().unwrap(), error.to_string())
}

/// One test: global providers can be set once per process.
#[test]
fn globals_already_set_are_kept_and_error_names_remedy() {
    let meters = SdkMeterProvider::builder().build();
    opentelemetry::global::set_meter_provider(meters);
    let error = builder().build().unwrap_err();
    let (what, text) = told(&error);
    assert_eq!(what, "global meter provider");
    let probe = opentelemetry::global::tracer_provider().tracer("test").start("probe");
    assert!(!probe.span_context().is_valid(), "what failed has set nothing");
    assert!(text.contains("OtelObserver::builder()") && text.contains("without_globals()"), "{text}");

    let spans = InMemorySpanExporter::default();
    let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    opentelemetry::global::set_tracer_provider(traces);
    let error = builder().build().unwrap_err();
    assert_eq!(told(&error).0, "global tracer provider");
    assert!(spans.get_finished_spans().unwrap().is_empty(), "finding out has recorded nothing");
    opentelemetry::global::tracer("app").start("still the application's").end();
    assert_eq!(spans.get_finished_spans().unwrap().len(), 1);
}
