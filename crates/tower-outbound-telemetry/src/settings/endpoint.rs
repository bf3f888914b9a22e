//! The OTLP endpoint.

use http::Uri;

use super::choices::OtlpProtocol;
use super::reader::Reader;
use super::variables::SignalVariables;
use crate::warning::without_user;

const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

impl Reader<'_> {
    pub(super) fn endpoint(
        &mut self,
        signal: &SignalVariables,
        protocol: OtlpProtocol,
        given: Option<&str>,
    ) -> String {
        let default = match protocol {
            OtlpProtocol::Grpc => "http://localhost:4317",
            OtlpProtocol::HttpProtobuf | OtlpProtocol::HttpJson => "http://localhost:4318",
        };
        // For gRPC endpoints without a scheme, whose default is TLS.
        let insecure = self.flag(&[signal.insecure, "OTEL_EXPORTER_OTLP_INSECURE"]);
        let sources = [
            ("endpoint", given.map(str::to_owned), true),
            (signal.endpoint, self.value(signal.endpoint), false),
            (GENERAL, self.value(GENERAL), true),
            ("", Some(default.to_owned()), true),
        ];
        let mut refused = Vec::new();
        let mut used = String::new();
        for (key, value, is_base) in sources {
            let Some(value) = value else { continue };
            let complete = match protocol {
                OtlpProtocol::Grpc if !value.contains("://") => {
                    format!("{}://{value}", if insecure { "http" } else { "https" })
                }
                _ => value.clone(),
            };
            // A signal's own variable is used as is. gRPC has no path.
            let path = (is_base && protocol != OtlpProtocol::Grpc).then_some(signal.path);
            match usable(&complete).map(|uri| path.map_or(complete, |path| with_path(&uri, path))) {
                Some(endpoint) => {
                    used = endpoint;
                    break;
                }
                None => refused.push((key, value)),
            }
        }
        for (key, value) in refused {
            self.warn(key, &shown(&value), shown(&used));
        }
        used
    }
}

/// An HTTP or HTTPS URL with a host and, if any, a valid port.
fn usable(value: &str) -> Option<Uri> {
    let uri: Uri = value.parse().ok()?;
    let authority = uri.authority()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
    let has_port = host_and_port.len() > authority.host().len();
    (known && !authority.host().is_empty() && (!has_port || authority.port_u16().is_some())).then_some(uri)
}

fn with_path(base: &Uri, path: &str) -> String {
    let (scheme, authority) = (base.scheme_str().unwrap_or_default(), base.authority());
    let authority = authority.map_or("", |authority| authority.as_str());
    let query = base.query().map_or_else(String::new, |query| format!("?{query}"));
    format!("{scheme}://{authority}{}/{path}{query}", base.path().trim_end_matches('/'))
}

/// Hides user and query, which may be secrets. Hides everything if the two cannot be separated.
pub(super) fn shown(endpoint: &str) -> String {
    match endpoint.split_once('?') {
        None => without_user(endpoint),
        Some((_, query)) if query.contains('@') => "REDACTED".to_owned(),
        Some((endpoint, _)) => without_user(endpoint) + "?REDACTED",
    }
}

#[cfg(test)]
mod tests;
