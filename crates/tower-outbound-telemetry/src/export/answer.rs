//! The receiver's answer.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

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
    Taken { rejected: u64 },
    /// The receiver took nothing.
    Refused { said: String, again: Again },
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

    /// The number of rejected items in a successful answer; 0 if the answer cannot be decoded.
    pub(super) fn rejected(self, answer: &[u8]) -> u64 {
        let rejected = match self {
            Self::Traces => {
                let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
                answer.partial_success.map(|partial| partial.rejected_spans)
            }
            Self::Metrics => {
                let answer = ExportMetricsServiceResponse::decode(answer).unwrap_or_default();
                answer.partial_success.map(|partial| partial.rejected_data_points)
            }
        };
        rejected.and_then(|rejected| rejected.try_into().ok()).unwrap_or_default()
    }
}
