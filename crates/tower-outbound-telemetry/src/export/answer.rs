//! The receiver's answer.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::Value;

/// Larger than any OTLP answer.
pub(super) const LARGEST: usize = 64 << 10;

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

/// The receiver's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The receiver took the message, except for some items.
    Taken(Partial),
    /// The receiver took nothing.
    Refused { said: String, again: Again },
}

/// A partial success; by default a whole one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) rejected: u64,
    /// Why, or a warning. Often empty.
    pub(super) said: String,
}

/// Whether to retry a refused message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// After at least this time, if the receiver names one.
    After(Option<Duration>),
}

impl Signal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

impl Partial {
    /// From a successful answer; the default if it cannot be decoded.
    pub(super) fn from_protobuf(answer: &[u8]) -> Self {
        // The answers of both signals have the same fields.
        let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
        let partial = answer.partial_success.unwrap_or_default();
        Self { rejected: partial.rejected_spans.try_into().unwrap_or_default(), said: partial.error_message }
    }

    /// See [`from_protobuf`](Self::from_protobuf).
    pub(super) fn from_json(answer: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let partial = &answer["partialSuccess"];
        let rejected = ["rejectedSpans", "rejectedDataPoints"].map(|name| &partial[name]);
        // JSON of protobuf: an integer of 64 bits is a string, but may be read as a number too.
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        Self {
            rejected: rejected.into_iter().find_map(number).unwrap_or_default(),
            said: partial["errorMessage"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_success_read_from_protobuf_and_json() {
        let said = || "no".to_owned();
        let both = [
            Partial::from_protobuf(b"\x0a\x06\x08\x03\x12\x02no"),
            Partial::from_json(br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}"#),
            Partial::from_json(br#"{"partialSuccess":{"rejectedDataPoints":3,"errorMessage":"no"}}"#),
        ];
        for partial in both {
            assert_eq!(partial, Partial { rejected: 3, said: said() });
        }
        for whole in [b"".as_slice(), b"{}", b"\xff", b"[]", br#"{"partialSuccess":{"rejectedSpans":"-1"}}"#]
        {
            assert_eq!(Partial::from_json(whole), Partial::default());
            assert_eq!(Partial::from_protobuf(whole), Partial::default());
        }
    }
}
