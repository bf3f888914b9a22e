//! The page for Prometheus, by OpenTelemetry's own exporter.

use prometheus::{Encoder as _, Registry, TextEncoder};
use tower_outbound::BoxError;
use tower_outbound_telemetry::TelemetryBuilder;

/// Everything that the pipeline records, in the text format.
#[derive(Clone, Debug)]
pub struct Page(Registry);

impl Page {
    /// Adds the page to the pipeline, beside the export.
    ///
    /// # Errors
    /// The exporter cannot be built.
    pub fn add(builder: TelemetryBuilder) -> Result<(TelemetryBuilder, Self), BoxError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // One scope label on each of them helps nobody.
            .scope_info_enabled(false)
            .build()?;
        Ok((builder.metrics_with(|provider| provider.with_reader(exporter)), Self(registry)))
    }

    /// Its content type.
    #[must_use]
    pub fn content_type(&self) -> String {
        TextEncoder::new().format_type().to_owned()
    }

    /// Its text now.
    ///
    /// # Errors
    /// Two metrics have one name.
    pub fn text(&self) -> Result<String, BoxError> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.gather(), &mut text)?;
        Ok(String::from_utf8(text)?)
    }
}
