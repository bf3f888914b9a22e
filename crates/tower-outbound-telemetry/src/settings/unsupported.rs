//! Standard variables that are not supported.

use super::reader::Reader;
use crate::Warning;

/// The variable, the value that needs no warning, and what is used.
const UNSUPPORTED: [(&str, Option<&str>, &str); 7] = [
    ("OTEL_CONFIG_FILE", None, "the variables"),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", None, "the variables"),
    ("OTEL_LOGS_EXPORTER", Some("none"), "none"),
    ("OTEL_LOG_LEVEL", None, "RUST_LOG"),
    ("OTEL_METRICS_EXEMPLAR_FILTER", Some("always_off"), "always_off"),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", None, "no limit"),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", None, "no limit"),
];

impl Reader<'_> {
    pub(super) fn warn_of_unsupported(&mut self) {
        for (key, done, used) in UNSUPPORTED {
            let asks = |value: &String| !done.is_some_and(|done| done.eq_ignore_ascii_case(value));
            if let Some(value) = self.value(key).filter(asks) {
                self.push(Warning::new(key, &value, used).because("not honoured"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{resolve, warned};

    #[test]
    fn unsupported_variable_warns_once() {
        for (key, value, used) in [
            ("OTEL_CONFIG_FILE", "/etc/otel.yaml", "the variables"),
            ("OTEL_EXPERIMENTAL_CONFIG_FILE", "/etc/otel.yaml", "the variables"),
            ("OTEL_LOGS_EXPORTER", "otlp", "none"),
            ("OTEL_LOG_LEVEL", "debug", "RUST_LOG"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based", "always_off"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100", "no limit"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100", "no limit"),
        ] {
            let settings = resolve(&[(key, value)]);
            assert_eq!(warned(&settings), [(key, value, used)]);
            let message = format!("{key}: {value:?} cannot be used (not honoured), using {used}");
            assert_eq!(settings.warnings[0].to_string(), message);
        }
    }

    #[test]
    fn unsupported_variable_without_effect_does_not_warn() {
        let quiet = [
            ("OTEL_LOGS_EXPORTER", "None"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off"),
            ("OTEL_BSP_MAX_CONCURRENT_EXPORTS", "x"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "x"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "x"),
            ("OTEL_TRACES_SAMPLER_ARG", "x"),
        ];
        assert_eq!(warned(&resolve(&quiet)), vec![]);
    }
}
