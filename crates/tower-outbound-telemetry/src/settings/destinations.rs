//! The destinations of a signal.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;

use super::choices::{Choices, Compression, OtlpProtocol};
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
    pub(crate) compression: Option<Compression>,
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
const COMPRESSIONS: &[(&str, Option<Compression>)] = &[
    ("gzip", Some(Compression::Gzip)),
    #[cfg(feature = "zstd")]
    ("zstd", Some(Compression::Zstd)),
];
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
            compression: self.choice(
                &[signal.compression, "OTEL_EXPORTER_OTLP_COMPRESSION"],
                ("none", None),
                COMPRESSIONS,
            ),
            tls: self.tls(signal),
        }
    }

    fn protocol(&mut self, signal: &SignalVariables) -> OtlpProtocol {
        let keys = [signal.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let others = [("grpc", OtlpProtocol::Grpc), ("http/json", OtlpProtocol::HttpJson)];
        self.choice(&keys, ("http/protobuf", OtlpProtocol::HttpProtobuf), &others)
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
            .field("compression", &self.compression)
            .field("tls", &self.tls)
            .finish()
    }
}

#[cfg(test)]
mod tests;
