//! The telemetry pipelines: to the embedded receiver, and to the one that the environment names.

use std::error::Error;

use axum::http::Uri;
use outbound_tests::otlp::Receiver;
use tower_outbound_telemetry::{OtlpProtocol, TelemetryBuilder};

use crate::own_backend::OwnBackend;
use crate::services::{self, GATEWAY, Services};

const ENDPOINTS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

/// The pipelines of a run, and what they lead to.
pub(crate) struct Pipelines {
    /// The receiver in this process, from which the report is made.
    pub(crate) receiver: Receiver,
    /// The receiver that the environment names, which gets the same.
    pub(crate) own: Option<OwnBackend>,
    pub(crate) services: Services,
}

/// Starts the pipelines.
pub(crate) async fn start() -> Result<Pipelines, Box<dyn Error>> {
    let own = OwnBackend::start()?;
    let receiver = Receiver::start().await?;
    let endpoint = receiver.http_endpoint();
    // What the variables say about exporters is meant for the own backend.
    let (protocol, endpoint) = match (&own, value(PROTOCOL).as_deref()) {
        (Some(_), _) | (None, None | Some("http/protobuf")) => (OtlpProtocol::HttpProtobuf, endpoint),
        (None, Some("grpc")) => (OtlpProtocol::Grpc, receiver.grpc_endpoint()),
        (None, Some("http/json")) => (OtlpProtocol::HttpJson, endpoint),
        (None, Some(other)) => {
            warn(PROTOCOL, other, "http/protobuf");
            (OtlpProtocol::HttpProtobuf, endpoint)
        }
    };
    let copied = own.is_some();
    let services = Services::start(|name, builder| {
        let builder = if copied { builder.lookup(move |key| without_exporter(name, key)) } else { builder };
        let builder = logging(name, builder).protocol(protocol).endpoint(endpoint.clone());
        OwnBackend::copy_spans(own.as_ref(), name, builder)
    })?;
    Ok(Pipelines { receiver, own, services })
}

/// The environment of a service, without the variables of the exporters.
fn without_exporter(service: &str, key: &str) -> Option<String> {
    match key {
        "OTEL_TRACES_EXPORTER" | "OTEL_METRICS_EXPORTER" => None,
        _ if key.starts_with("OTEL_EXPORTER_OTLP_") => None,
        _ => services::variable(service, key),
    }
}

/// The gateway's pipeline has the process's subscriber.
fn logging(name: &'static str, builder: TelemetryBuilder) -> TelemetryBuilder {
    if name == GATEWAY { builder.with_subscriber() } else { builder }
}

/// The receiver that the environment names; `None` without a usable one.
pub(crate) fn own_backend() -> Option<String> {
    elsewhere(value, value(PROTOCOL).as_deref() == Some("grpc"))
}

/// The endpoints that the environment names, of a signal or of both; `None` without a usable one.
fn elsewhere(value: impl Fn(&str) -> Option<String>, grpc: bool) -> Option<String> {
    let mut shown = Vec::new();
    for (key, endpoint) in ENDPOINTS.into_iter().filter_map(|key| Some((key, value(key)?))) {
        match usable(&endpoint, grpc) {
            Some(endpoint) => shown.push(endpoint),
            None => warn(key, &endpoint, "another endpoint, or the embedded OTLP receiver"),
        }
    }
    (!shown.is_empty()).then(|| shown.join(" and "))
}

/// An empty value counts as unset, by the specification.
fn value(key: &str) -> Option<String> {
    let value = std::env::var_os(key)?.to_string_lossy().trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// The endpoint without secrets; `None` if it is not usable. gRPC also allows `host:port`.
fn usable(endpoint: &str, grpc: bool) -> Option<String> {
    let uri: Uri = endpoint.parse().ok()?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    let port = uri.port().map(|port| format!(":{port}"));
    match uri.scheme_str() {
        Some(scheme @ ("http" | "https")) => {
            Some(format!("{scheme}://{host}{}{}", port.unwrap_or_default(), uri.path().trim_end_matches('/')))
        }
        None if grpc => port.map(|port| format!("{host}{port}")),
        _ => None,
    }
}

fn warn(key: &str, value: &str, used: &str) {
    // Hide user and password.
    let value = match value.rsplit_once('@') {
        Some((_, rest)) => format!("REDACTED@{rest}"),
        None => value.to_owned(),
    };
    eprintln!("warning: {key}={value} cannot be used; used instead: {used}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_of_a_signal_alone_is_used() {
        let set = |pairs: &'static [(&str, &str)]| {
            move |key: &str| pairs.iter().find(|(set, _)| *set == key).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(elsewhere(set(&[]), false), None);
        assert_eq!(elsewhere(set(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "garbage")]), false), None);
        let shown =
            elsewhere(set(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/v1/traces")]), false);
        assert_eq!(shown.as_deref(), Some("http://traces:1/v1/traces"));
        let both = &[
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:1/m"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:1"),
        ];
        assert_eq!(elsewhere(set(both), false).as_deref(), Some("http://metrics:1/m and http://general:1"));
    }

    #[test]
    fn endpoint_shown_without_secrets() {
        for (endpoint, grpc, shown) in [
            ("http://collector:4318", false, Some("http://collector:4318")),
            ("https://user:pw@collector/base/?token=t", false, Some("https://collector/base")),
            ("collector:4317", true, Some("collector:4317")),
            ("collector:4317", false, None),
            ("garbage", true, None),
            ("garbage", false, None),
            ("ftp://collector", false, None),
            ("/only/a/path", false, None),
        ] {
            assert_eq!(usable(endpoint, grpc).as_deref(), shown, "{endpoint} grpc={grpc}");
        }
    }
}
