//! The destinations of a signal.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;

use super::choices::{Choices, OtlpProtocol};
use super::endpoint::shown;
use super::reader::Reader;
use super::tls::Tls;
use super::variables::SignalVariables;

/// The destinations of a signal. Without any, the signal is off.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    pub(crate) otlp: Option<Export>,
    /// Only with the feature `console`.
    pub(crate) console: bool,
}

/// The settings of an OTLP export.
pub(crate) struct Export {
    pub(crate) protocol: OtlpProtocol,
    /// The full URL; with HTTP, including the path.
    pub(crate) endpoint: String,
    pub(crate) timeout: Duration,
    /// Marked as sensitive.
    pub(crate) headers: HeaderMap,
    pub(crate) gzip: bool,
    pub(crate) tls: Tls,
}

impl Destinations {
    pub(crate) fn is_on(&self) -> bool {
        self.otlp.is_some() || self.console
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.otlp, self.console) {
            (Some(export), false) => write!(f, "{}", export.shown()),
            (Some(export), true) => write!(f, "{} and the console", export.shown()),
            (None, true) => f.write_str("the console"),
            (None, false) => f.write_str("nowhere"),
        }
    }
}

impl Export {
    /// The endpoint without secrets.
    pub(crate) fn shown(&self) -> String {
        shown(&self.endpoint)
    }
}

const OTLP: &str = "otlp";
const CONSOLE: &str = "console";
const EXPORTERS: &[&str] = if cfg!(feature = "console") { &[OTLP, CONSOLE] } else { &[OTLP] };

impl Reader<'_> {
    pub(super) fn destinations(&mut self, signal: &SignalVariables, choices: &Choices) -> Destinations {
        // With the feature, `console` is a known name.
        let note = |name: &str| {
            name.eq_ignore_ascii_case(CONSOLE).then_some("`console` needs the cargo feature `console`")
        };
        let names = self.list(signal.exporter, EXPORTERS, &[OTLP], note);
        Destinations {
            otlp: names.contains(&OTLP).then(|| self.export(signal, choices)),
            console: names.contains(&CONSOLE),
        }
    }

    fn export(&mut self, signal: &SignalVariables, choices: &Choices) -> Export {
        let protocol = choices.protocol.unwrap_or_else(|| self.protocol(signal));
        Export {
            protocol,
            endpoint: self.endpoint(signal, protocol, choices.endpoint.as_deref()),
            timeout: self.timeout(&[signal.timeout, "OTEL_EXPORTER_OTLP_TIMEOUT"], 10_000),
            headers: self.headers(&[signal.headers, "OTEL_EXPORTER_OTLP_HEADERS"]),
            gzip: self.choice(
                &[signal.compression, "OTEL_EXPORTER_OTLP_COMPRESSION"],
                ("none", false),
                &[("gzip", true)],
            ),
            tls: self.tls(signal),
        }
    }

    fn protocol(&mut self, signal: &SignalVariables) -> OtlpProtocol {
        let keys = [signal.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL"];
        self.choice(&keys, ("http/protobuf", OtlpProtocol::HttpProtobuf), &[("grpc", OtlpProtocol::Grpc)])
    }
}

/// Hides the endpoint's user, and the values of sensitive headers.
impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("protocol", &self.protocol)
            .field("endpoint", &shown(&self.endpoint))
            .field("timeout", &self.timeout)
            .field("headers", &self.headers)
            .field("gzip", &self.gzip)
            .field("tls", &self.tls)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{otlp, resolve, warned};
    use super::*;

    #[test]
    fn exporter_otlp_console_both_or_none() {
        let console = cfg!(feature = "console");
        let note = "otlp (`console` needs the cargo feature `console`)";
        for (value, otlp, wants_console, used) in [
            ("otlp", true, false, None),
            ("OTLP", true, false, None),
            ("none", false, false, None),
            ("console", !console, true, Some(note)),
            ("otlp,console", true, true, Some(note)),
            (" console , otlp ", true, true, Some(note)),
        ] {
            for key in ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"] {
                let settings = resolve(&[(key, value)]);
                let (this, other) = match key {
                    "OTEL_TRACES_EXPORTER" => (&settings.traces, &settings.metrics),
                    _ => (&settings.metrics, &settings.traces),
                };
                assert_eq!((this.otlp.is_some(), this.console), (otlp, wants_console && console), "{value}");
                assert!(other.otlp.is_some() && !other.console);
                let expected = used.filter(|_| !console).map(|used| (key, value.trim(), used));
                assert_eq!(warned(&settings), Vec::from_iter(expected));
            }
        }
    }

    #[test]
    fn exporter_unknown_warns_and_uses_otlp() {
        for (key, value, used) in [
            ("OTEL_TRACES_EXPORTER", "zipkin", "otlp"),
            ("OTEL_METRICS_EXPORTER", "prometheus", "otlp"),
            ("OTEL_TRACES_EXPORTER", "zipkin,otlp", "otlp"),
            ("OTEL_METRICS_EXPORTER", "none,otlp", "otlp"),
        ] {
            let settings = resolve(&[(key, value)]);
            assert_eq!(warned(&settings), [(key, value, used)]);
            assert_eq!(otlp(&settings).len(), 2, "{key}={value}");
        }
    }

    #[test]
    fn signal_variable_wins_and_invalid_falls_back_to_general() {
        let general = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "20"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ];
        let seen = |own: &[(&'static str, &'static str)]| {
            let settings = resolve(&[own, &general].concat());
            let seen = otlp(&settings).map(|export| (export.protocol, export.timeout, export.gzip));
            let warnings = warned(&settings);
            let warnings = warnings.iter().map(|(key, _, used)| format!("{key}: {used}")).collect::<Vec<_>>();
            (seen, warnings)
        };
        let inherited = (OtlpProtocol::Grpc, Duration::from_millis(20), true);
        let own = (OtlpProtocol::HttpProtobuf, Duration::from_millis(30), false);
        assert_eq!(
            seen(&[
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "30"),
                ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "NONE"),
            ]),
            ([own, inherited], vec![])
        );
        assert_eq!(
            seen(&[
                ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
                ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10s"),
                ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "zstd"),
            ]),
            (
                [inherited, inherited],
                vec![
                    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: grpc".to_owned(),
                    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: 20".to_owned(),
                    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: gzip".to_owned(),
                ]
            )
        );
    }

    #[test]
    fn signal_invalid_value_warns_with_key_value_and_default() {
        for (key, value, used) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "x", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s", "10000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none"),
        ] {
            let settings = resolve(&[(key, value)]);
            assert_eq!(warned(&settings), [(key, value, used)]);
        }
    }
}
