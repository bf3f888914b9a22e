//! One request to the receiver and its answer, over HTTP/protobuf or gRPC.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tower_outbound::{BoxError, Outbound, OutboundClient};

use super::{grpc, http as over_http, tls};
use crate::settings::Export;
use crate::{OtlpProtocol, TelemetryError, Warning};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

/// What the receiver said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It took all but so many.
    Taken { rejected: u64 },
    /// It took nothing.
    Refused { said: String, again: Again },
}

/// Whether a request that was not taken may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// Not before this time has passed, where the receiver says so.
    After(Option<Duration>),
}

/// The way to the receiver.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) client: OutboundClient,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) gzip: bool,
    pub(super) signal: Signal,
    protocol: OtlpProtocol,
}

impl Transport {
    pub(super) fn new(
        export: &Export,
        signal: Signal,
        client: Option<OutboundClient>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, TelemetryError> {
        let uri = without_user(&export.endpoint)
            .map_err(|error| TelemetryError::new("parsing the endpoint", error))?;
        let client = match client {
            Some(given) => given,
            // No observer: this is the one client that nobody watches.
            None => {
                // What is sent again is the courier's to decide, and to count.
                let outbound = Outbound::builder().retry(|retry| retry.max_retries(0)).build();
                let client = outbound.client_builder().tls_config(tls::config(&uri, &export.tls, warnings)?);
                client.http2_only(export.protocol == OtlpProtocol::Grpc).build()
            }
        };
        let (headers, gzip) = (export.headers.clone(), export.gzip);
        Ok(Self { client, uri, headers, gzip, signal, protocol: export.protocol })
    }

    /// The message as it travels, made once for all attempts.
    pub(super) fn prepare(&self, message: &impl Message) -> Bytes {
        let encoded = message.encode_to_vec();
        match self.protocol {
            OtlpProtocol::HttpProtobuf if self.gzip => over_http::compressed(&encoded),
            _ => encoded.into(),
        }
    }

    pub(super) async fn send(&self, message: Bytes) -> Result<Answer, BoxError> {
        match self.protocol {
            OtlpProtocol::HttpProtobuf => over_http::send(self, message).await,
            OtlpProtocol::Grpc => grpc::send(self, message).await,
        }
    }
}

/// OTLP has headers for that, and a client may tell its URI in its own log.
fn without_user(endpoint: &str) -> Result<Uri, http::Error> {
    let mut parts = endpoint.parse::<Uri>()?.into_parts();
    if let Some((_, host)) =
        parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit_once('@'))
    {
        parts.authority = Some(host.parse()?);
    }
    Ok(Uri::from_parts(parts)?)
}

impl Signal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }

    /// How many the receiver rejected although it took the request; an answer that cannot be read has none.
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
