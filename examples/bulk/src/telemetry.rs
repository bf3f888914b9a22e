//! The telemetry of a run, for the receiver that the environment names.

use tower_outbound_telemetry::{Telemetry, TelemetryError};

const ENDPOINTS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
];

/// Starts the pipeline of the service `bulk-{run}`; `None` if the environment names no receiver.
pub(crate) fn start(run: &str) -> Result<Option<Telemetry>, TelemetryError> {
    let named = ENDPOINTS.iter().any(|key| std::env::var_os(key).is_some_and(|value| !value.is_empty()));
    let telemetry = named.then(|| Telemetry::builder(format!("bulk-{run}")).without_globals().build());
    telemetry.transpose()
}

/// Exports what is pending, and says on stderr what was lost.
pub(crate) async fn end(telemetry: Option<Telemetry>) {
    if let Some(telemetry) = telemetry {
        eprintln!("Telemetry: {}.", telemetry.shutdown().await);
    }
}
