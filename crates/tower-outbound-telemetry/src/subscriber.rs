//! The `tracing` subscriber: logs to stderr, and exports the application's spans.

use std::io::IsTerminal;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing::subscriber::set_global_default;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::Warning;

/// Includes the SDK's export failures, but not its setup messages.
const FILTER: &str = "info,opentelemetry=warn";

/// The bridge from `tracing`, without costly attributes.
pub(crate) fn layer<S>(traces: &SdkTracerProvider) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_tracer(traces.tracer_with_scope(scope()))
}

/// Of spans that `tracing` makes. No schema: their names are the application's.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build()
}

/// Installs the subscriber. If the process has one, that one is kept, and a warning names what is not exported.
pub(crate) fn install(traces: Option<&SdkTracerProvider>, filter: Option<&str>) -> Option<Warning> {
    let mut warning = None;
    let filter = filter.unwrap_or(FILTER);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| {
        warning = Some(Warning::new("RUST_LOG", filter, FILTER));
        EnvFilter::new(FILTER)
    });
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter).with(log).with(traces.map(layer));
    // Not `try_init`: with a feature of tracing-subscriber it also sets the logger of the crate `log`, and fails after it
    // set the subscriber if the process has a logger.
    if set_global_default(registry).is_ok() {
        return warning;
    }
    if traces.is_some() {
        tracing::warn!(
            target: "tower_outbound_telemetry",
            "the process has a tracing subscriber, which is kept: spans of `tracing` are not exported, unless \
             `telemetry.layer()` is added to it; leave out `with_subscriber()`"
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::InMemorySpanExporter;

    use super::*;

    #[test]
    fn tracing_spans_have_a_scope_with_version() {
        let spans = InMemorySpanExporter::default();
        let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let registry = tracing_subscriber::registry().with(layer(&traces));
        tracing::subscriber::with_default(registry, || tracing::info_span!("a span").in_scope(|| ()));
        let scope = &spans.get_finished_spans().unwrap()[0].instrumentation_scope;
        assert_eq!(
            (scope.name(), scope.version()),
            ("tower-outbound-telemetry", Some(env!("CARGO_PKG_VERSION")))
        );
    }
}
