//! Export of metrics.

use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::reader::Reader;

impl Reader<'_> {
    pub(super) fn metric_interval(&mut self) -> Duration {
        self.interval("OTEL_METRIC_EXPORT_INTERVAL", 60_000)
    }

    pub(super) fn metric_timeout(&mut self) -> Duration {
        self.timeout(&["OTEL_METRIC_EXPORT_TIMEOUT"], 30_000)
    }

    pub(super) fn temporality(&mut self) -> Temporality {
        self.choice(
            &["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"],
            ("cumulative", Temporality::Cumulative),
            &[("delta", Temporality::Delta), ("lowmemory", Temporality::LowMemory)],
        )
    }

    pub(super) fn exponential_histograms(&mut self) -> bool {
        self.choice(
            &["OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"],
            ("explicit_bucket_histogram", false),
            &[("base2_exponential_bucket_histogram", true)],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{resolve, warned};
    use super::*;

    #[test]
    fn metrics_variables_are_applied() {
        let settings = resolve(&[
            ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                "base2_exponential_bucket_histogram",
            ),
        ]);
        assert_eq!(settings.metric_interval, Duration::from_millis(1));
        assert_eq!(settings.metric_timeout, Duration::from_millis(2_147_483_647));
        assert_eq!((settings.temporality, settings.exponential_histograms), (Temporality::LowMemory, true));
        assert_eq!(warned(&settings), vec![]);
        let settings = resolve(&[("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")]);
        assert_eq!(settings.temporality, Temporality::Delta);
    }

    #[test]
    fn metrics_invalid_value_warns_and_uses_default() {
        for (key, value, used) in [
            ("OTEL_METRIC_EXPORT_INTERVAL", "0", "60000"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "-1", "30000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both", "cumulative"),
            ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "sum", "explicit_bucket_histogram"),
        ] {
            assert_eq!(warned(&resolve(&[(key, value)])), [(key, value, used)]);
        }
    }
}
