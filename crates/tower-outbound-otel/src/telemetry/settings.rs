//! What the variables say, as far as it is understood.

use std::time::Duration;

use http::Uri;
use opentelemetry::KeyValue;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::builder::Lookup;
use super::{OtlpProtocol, TelemetryBuilder, Warning};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Resolved settings.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) service: String,
    pub(super) resource: Vec<KeyValue>,
    pub(super) traces: Destinations,
    pub(super) metrics: Destinations,
    pub(super) sampler: Sampler,
    pub(super) limits: SpanLimits,
    pub(super) batch: Batch,
    pub(super) metric_interval: Duration,
    pub(super) metric_timeout: Duration,
    pub(super) temporality: Temporality,
    pub(super) propagators: Vec<Propagator>,
    /// Of the subscriber; the default where there is none.
    pub(super) log_filter: Option<String>,
    pub(super) warnings: Vec<Warning>,
}

/// Where one signal goes.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) protocol: OtlpProtocol,
    /// Complete: over HTTP with its path.
    pub(super) endpoint: String,
    pub(super) timeout: Duration,
    pub(super) headers: http::HeaderMap,
    pub(super) gzip: bool,
    pub(super) tls: Tls,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) delay: Duration,
    pub(super) timeout: Duration,
    pub(super) queue: usize,
    pub(super) size: usize,
}
#[derive(Debug)]
pub(super) struct Destinations {
    pub(super) otlp: Option<Export>,
    pub(super) console: bool,
}
#[derive(Debug, Default)]
pub(super) struct Tls {
    pub(super) roots: Option<Vec<CertificateDer<'static>>>,
    pub(super) client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Destinations {
    pub(super) fn is_on(&self) -> bool {
        self.otlp.is_some() || self.console
    }
}
impl std::fmt::Display for Destinations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.otlp {
            Some(e) => write!(f, "{}", e.shown()),
            None => f.write_str("none"),
        }
    }
}
impl Export {
    pub(super) fn shown(&self) -> String {
        self.endpoint.clone()
    }
}
impl Settings {
    pub(super) fn propagator(&self) -> TextMapCompositePropagator {
        let each = self.propagators.iter().map(|propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
            match propagator {
                Propagator::TraceContext => Box::new(TraceContextPropagator::new()),
                Propagator::Baggage => Box::new(BaggagePropagator::new()),
            }
        });
        TextMapCompositePropagator::new(each.collect())
    }
    pub(super) fn resource(&self) -> Resource {
        Resource::builder()
            .with_service_name(self.service.clone())
            .with_attributes(self.resource.clone())
            .build()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagator {
    TraceContext,
    Baggage,
}

/// The variables of a signal.
struct Signal {
    exporter: &'static str,
    protocol: &'static str,
    endpoint: &'static str,
    timeout: &'static str,
    path: &'static str,
}

const TRACES: Signal = Signal {
    exporter: "OTEL_TRACES_EXPORTER",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    timeout: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    path: "v1/traces",
};
const METRICS: Signal = Signal {
    exporter: "OTEL_METRICS_EXPORTER",
    protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    timeout: "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    path: "v1/metrics",
};
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const INSECURE: &str = "OTEL_EXPORTER_OTLP_INSECURE";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";

/// Reads values and collects what it did not understand.
struct Reader<'a> {
    lookup: &'a Lookup,
    warnings: Vec<Warning>,
}

impl Settings {
    pub(super) fn resolve(builder: &TelemetryBuilder, lookup: &Lookup) -> Self {
        let mut reader = Reader { lookup, warnings: Vec::new() };
        let disabled = reader.flag("OTEL_SDK_DISABLED");
        let mut signal = |signal| (!disabled).then(|| reader.export(signal, builder)).flatten();
        let (traces, metrics) = (signal(&TRACES), signal(&METRICS));
        Self {
            service: reader.service(&builder.service),
            resource: Vec::new(),
            traces: Destinations { otlp: traces, console: false },
            metrics: Destinations { otlp: metrics, console: false },
            sampler: Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
            limits: SpanLimits::default(),
            batch: Batch {
                delay: Duration::from_millis(
                    (reader.lookup)("OTEL_BSP_SCHEDULE_DELAY").and_then(|v| v.parse().ok()).unwrap_or(5000),
                ),
                timeout: Duration::from_secs(30),
                queue: (reader.lookup)("OTEL_BSP_MAX_QUEUE_SIZE")
                    .and_then(|v| v.parse().ok())
                    .unwrap_or(2048),
                size: 512,
            },
            metric_interval: Duration::from_secs(60),
            metric_timeout: Duration::from_secs(30),
            temporality: Temporality::Cumulative,
            propagators: reader.propagators(),
            log_filter: reader.value("RUST_LOG"),
            warnings: reader.warnings,
        }
    }
}

impl Reader<'_> {
    /// An empty value is no value, as the specification says.
    fn value(&self, key: &str) -> Option<String> {
        (self.lookup)(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn warn(&mut self, key: &'static str, value: &str, used: impl Into<String>) {
        let warning = Warning::new(key, value, used);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn flag(&mut self, key: &'static str) -> bool {
        match self.value(key) {
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if !value.eq_ignore_ascii_case("false") => {
                self.warn(key, &value, "false");
                false
            }
            _ => false,
        }
    }

    fn service(&self, given: &str) -> String {
        let named = self.value("OTEL_RESOURCE_ATTRIBUTES").and_then(|attributes| {
            let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| key.trim() == "service.name").map(|(_, name)| name.trim().to_owned())
        });
        self.value("OTEL_SERVICE_NAME").or(named).unwrap_or_else(|| given.to_owned())
    }

    fn export(&mut self, signal: &Signal, builder: &TelemetryBuilder) -> Option<Export> {
        match self.value(signal.exporter) {
            Some(value) if value.eq_ignore_ascii_case("none") => return None,
            Some(value) if !value.eq_ignore_ascii_case("otlp") => self.warn(signal.exporter, &value, "otlp"),
            _ => {}
        }
        let protocol = builder.protocol.unwrap_or_else(|| self.protocol(signal));
        let endpoint = self.endpoint(signal, protocol, builder.endpoint.as_deref());
        Some(Export {
            protocol,
            endpoint,
            timeout: self.timeout(signal),
            headers: Default::default(),
            gzip: false,
            tls: Tls::default(),
        })
    }

    fn protocol(&mut self, signal: &Signal) -> OtlpProtocol {
        for key in [signal.protocol, PROTOCOL] {
            let Some(value) = self.value(key) else { continue };
            match value.to_ascii_lowercase().as_str() {
                "grpc" => return OtlpProtocol::Grpc,
                "http/protobuf" => return OtlpProtocol::HttpProtobuf,
                _ => {
                    let next = self.value(PROTOCOL).filter(|_| key != PROTOCOL);
                    self.warn(key, &value, next.unwrap_or_else(|| "http/protobuf".to_owned()));
                }
            }
        }
        OtlpProtocol::HttpProtobuf
    }

    fn endpoint(&mut self, signal: &Signal, protocol: OtlpProtocol, given: Option<&str>) -> String {
        let default = match protocol {
            OtlpProtocol::Grpc => "http://localhost:4317",
            OtlpProtocol::HttpProtobuf => "http://localhost:4318",
        };
        let sources = [
            ("endpoint", given.map(str::to_owned), true),
            (signal.endpoint, self.value(signal.endpoint), false),
            (ENDPOINT, self.value(ENDPOINT), true),
        ];
        let mut refused: Vec<(&'static str, String)> = Vec::new();
        let mut used = None;
        for (key, value, is_base) in sources {
            let Some(value) = value else { continue };
            match self.usable(&value, protocol) {
                Some(endpoint) => {
                    used = Some((endpoint, is_base));
                    break;
                }
                None => refused.push((key, value)),
            }
        }
        let (base, is_base) = used.unwrap_or_else(|| (default.to_owned(), true));
        // Only a signal's own variable is taken verbatim, and gRPC has no path.
        let endpoint = if is_base && protocol == OtlpProtocol::HttpProtobuf {
            format!("{}/{}", base.trim_end_matches('/'), signal.path)
        } else {
            base
        };
        for (key, value) in refused {
            self.warn(key, &value, endpoint.clone());
        }
        endpoint
    }

    /// The endpoint with its scheme, if it is one.
    fn usable(&self, value: &str, protocol: OtlpProtocol) -> Option<String> {
        let value = match protocol {
            // gRPC's may come without a scheme; then a variable decides, and TLS is the default.
            OtlpProtocol::Grpc if !value.contains("://") => {
                let insecure = self.value(INSECURE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
                format!("{}://{value}", if insecure { "http" } else { "https" })
            }
            _ => value.to_owned(),
        };
        let uri: Uri = value.parse().ok()?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(value)
    }

    fn timeout(&mut self, signal: &Signal) -> Duration {
        for key in [signal.timeout, "OTEL_EXPORTER_OTLP_TIMEOUT"] {
            let Some(value) = self.value(key) else { continue };
            match value.parse() {
                Ok(millis) => return Duration::from_millis(millis),
                Err(_) => self.warn(key, &value, "10000"),
            }
        }
        TIMEOUT
    }

    fn propagators(&mut self) -> Vec<Propagator> {
        let default = [Propagator::TraceContext, Propagator::Baggage];
        let Some(list) = self.value(PROPAGATORS) else { return default.into() };
        let mut propagators = Vec::new();
        let mut unknown = false;
        for name in list.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            match name.as_str() {
                "tracecontext" => propagators.push(Propagator::TraceContext),
                "baggage" => propagators.push(Propagator::Baggage),
                "none" => {}
                _ => unknown = true,
            }
        }
        if unknown {
            if propagators.is_empty() {
                propagators = default.into();
            }
            let used: Vec<_> = propagators.iter().map(|propagator| propagator.name()).collect();
            self.warn(PROPAGATORS, &list, used.join(","));
        }
        propagators
    }
}

impl Propagator {
    fn name(self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::Baggage => "baggage",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Telemetry;
    use super::*;

    fn resolve(variables: &[(&'static str, &'static str)]) -> Settings {
        let variables = variables.to_vec();
        let lookup = move |key: &str| {
            variables.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).into())
        };
        Settings::resolve(&Telemetry::builder("given"), &lookup)
    }

    fn endpoints(settings: &Settings) -> [&str; 2] {
        [&settings.traces.otlp, &settings.metrics.otlp]
            .map(|export| export.as_ref().unwrap().endpoint.as_str())
    }

    fn warned(settings: &Settings) -> Vec<(&str, &str, &str)> {
        settings.warnings.iter().map(|w| (w.key(), w.value(), w.used())).collect()
    }

    #[test]
    fn without_variables_everything_goes_over_http_to_localhost() {
        let settings = resolve(&[]);
        let expected = ["http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"];
        assert_eq!(endpoints(&settings), expected);
        let traces = settings.traces.otlp.as_ref().unwrap();
        assert_eq!((traces.protocol, traces.timeout), (OtlpProtocol::HttpProtobuf, TIMEOUT));
        assert_eq!(settings.propagators, [Propagator::TraceContext, Propagator::Baggage]);
        assert_eq!((settings.service.as_str(), warned(&settings)), ("given", vec![]));
    }

    #[test]
    fn a_base_endpoint_gets_the_path_and_a_signals_own_is_taken_verbatim() {
        let settings = resolve(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:1/base/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:2/x"),
        ]);
        assert_eq!(endpoints(&settings), ["https://collector:1/base/v1/traces", "http://metrics:2/x"]);
    }

    #[test]
    fn grpc_has_no_path_and_its_own_default_port() {
        let settings = resolve(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert_eq!(endpoints(&settings), ["http://localhost:4317"; 2]);
        let settings = resolve(&[
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:5"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ]);
        assert_eq!(endpoints(&settings), ["http://collector:5", "http://localhost:4318/v1/metrics"]);
        let settings = resolve(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:5"),
        ]);
        assert_eq!(endpoints(&settings), ["https://collector:5"; 2]);
    }

    #[test]
    fn a_bad_value_is_a_warning_with_key_value_and_what_is_used() {
        for (key, value, used) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "x", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "%%%", "http://localhost:4318/v1/traces"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://a/b", "http://localhost:4318/v1/traces"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "/only/a/path", "http://localhost:4318/v1/metrics"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s", "10000"),
            ("OTEL_TRACES_EXPORTER", "console", "otlp"),
            ("OTEL_METRICS_EXPORTER", "prometheus", "otlp"),
            ("OTEL_SDK_DISABLED", "yes", "false"),
            ("OTEL_PROPAGATORS", "b3", "tracecontext,baggage"),
            ("OTEL_PROPAGATORS", "b3,baggage", "baggage"),
        ] {
            let settings = resolve(&[(key, value)]);
            assert_eq!(warned(&settings), [(key, value, used)]);
            assert!(settings.traces.otlp.is_some() && settings.metrics.otlp.is_some(), "{key}={value}");
        }
    }

    #[test]
    fn a_bad_base_endpoint_is_told_for_each_signal_without_its_password() {
        let settings = resolve(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:marker@collector")]);
        let [traces, metrics] = endpoints(&settings);
        let (key, value) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "REDACTED@collector");
        assert_eq!(warned(&settings), [(key, value, traces), (key, value, metrics)]);
    }

    #[test]
    fn a_bad_endpoint_of_a_signal_falls_back_to_the_base() {
        let settings = resolve(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "garbage"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:1"),
        ]);
        assert_eq!(endpoints(&settings)[0], "http://collector:1/v1/traces");
        let expected = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "garbage", "http://collector:1/v1/traces");
        assert_eq!(warned(&settings), [expected]);
    }

    #[test]
    fn signals_and_propagators_can_be_turned_off_and_the_whole_too() {
        let settings = resolve(&[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_PROPAGATORS", "none")]);
        assert!(
            settings.traces.otlp.is_none()
                && settings.metrics.otlp.is_some()
                && settings.propagators.is_empty()
        );
        let settings = resolve(&[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_PROPAGATORS", "tracecontext")]);
        assert!(settings.traces.otlp.is_none() && settings.metrics.otlp.is_none());
        assert_eq!(settings.propagators, [Propagator::TraceContext], "still in effect");
        assert_eq!(warned(&settings), vec![]);
    }

    #[test]
    fn the_service_is_named_by_its_variable_then_by_the_resource_then_by_the_code() {
        let resource = ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=resource");
        assert_eq!(resolve(&[resource, ("OTEL_SERVICE_NAME", "variable")]).service, "variable");
        assert_eq!(resolve(&[resource]).service, "resource");
        assert_eq!(resolve(&[("OTEL_SERVICE_NAME", "")]).service, "given");
    }
}
