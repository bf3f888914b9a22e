//! Detects global providers that are set already.

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, global};

use crate::TelemetryError;

/// # Errors
/// If a global provider is set: to replace it would silently discard its telemetry.
pub(crate) fn check_unset() -> Result<(), TelemetryError> {
    if has_tracer_provider() {
        return Err(TelemetryError::already_set(
            "global tracer provider",
            "give that provider to `OtelObserver::builder()` and do without `Telemetry`, or use \
             `Telemetry::builder(..).without_globals()` and its `observer()` and `layer()`",
        ));
    }
    if has_meter_provider() {
        return Err(TelemetryError::already_set(
            "global meter provider",
            "give that provider to `OtelObserver::builder()` and do without `Telemetry`, or use \
             `Telemetry::builder(..).without_globals()` and its `observer()`",
        ));
    }
    Ok(())
}

/// Only the API's no-op tracer returns the parent's context, also if telemetry is suppressed. Nothing is recorded.
fn has_tracer_provider() -> bool {
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

/// Only the API's no-op meter provider has size 0.
fn has_meter_provider() -> bool {
    std::mem::size_of_val(&*global::meter_provider()) > 0
}
