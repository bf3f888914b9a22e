//! Detects global providers that are set already.

use tower_outbound_otel::global::{has_meter_provider, has_tracer_provider};

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
