//! The process's global providers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, global};

/// The version of the crate `opentelemetry`. Its providers are not those of another version.
const VERSION: &str = "0.33";

/// The absence is said already, or is wanted.
static SAID: AtomicBool = AtomicBool::new(false);

/// Whether the process has a tracer provider.
#[must_use]
pub fn has_tracer_provider() -> bool {
    // Only the API's no-op tracer returns the parent's context, also if telemetry is suppressed. Nothing is recorded.
    let parent = SpanContext::new(
        TraceId::from(1),
        SpanId::from(1),
        TraceFlags::default(),
        true,
        TraceState::default(),
    );
    let context = Context::new().with_remote_span_context(parent.clone()).with_telemetry_suppressed();
    let span = global::tracer(env!("CARGO_PKG_NAME")).start_with_context("probe", &context);
    *span.span_context() != parent
}

/// Whether the process has a meter provider.
#[must_use]
pub fn has_meter_provider() -> bool {
    // Only the API's no-op meter provider has size 0.
    std::mem::size_of_val(&*global::meter_provider()) > 0
}

/// Says that the process has no providers on purpose: observers do not warn.
pub fn without_providers() {
    SAID.store(true, Relaxed);
}

/// Warns once in a process that has no provider.
pub(crate) fn warn_of_absence() {
    if has_tracer_provider() || has_meter_provider() || SAID.swap(true, Relaxed) {
        return;
    }
    tracing::warn!(
        target: "tower_outbound",
        "spans, metrics and trace context of requests are missing: no provider of OpenTelemetry {VERSION} was set before \
         the first request, and a provider of another version of the crate `opentelemetry` does not count (`cargo tree \
         --invert opentelemetry` lists the versions)",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_in_warning_is_that_of_the_manifest() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(manifest.contains(&format!("\nopentelemetry = {{ version = \"{VERSION}\"")), "{VERSION}");
    }
}
