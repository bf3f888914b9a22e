//! Sends one request over HTTP/protobuf or gRPC.

use bytes::Bytes;
use http::Uri;
use prost::Message;
use tower_outbound::{BoxError, Outbound, OutboundClient};

use super::answer::{Answer, Signal};
use super::receiver::Receiver;
use super::{grpc, http as over_http, tls};
use crate::settings::{Export, OtlpProtocol};
use crate::{TelemetryError, Warning};

/// Sends messages of one signal to the receiver.
#[derive(Debug)]
pub(super) struct Transport {
    receiver: Receiver,
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
            // No observer: the export is not observed.
            None => {
                // `ExportClient` retries and counts.
                let outbound = Outbound::builder().retry(|retry| retry.max_retries(0)).build();
                let client = outbound.client_builder().tls_config(tls::config(&uri, &export.tls, warnings)?);
                client.http2_only(export.protocol == OtlpProtocol::Grpc).build()
            }
        };
        let (headers, gzip) = (export.headers.clone(), export.gzip);
        Ok(Self { receiver: Receiver { client, uri, headers, gzip, signal }, protocol: export.protocol })
    }

    /// Encodes a message, once for all attempts.
    pub(super) fn prepare(&self, message: &impl Message) -> Bytes {
        let encoded = message.encode_to_vec();
        match self.protocol {
            OtlpProtocol::HttpProtobuf if self.receiver.gzip => over_http::compressed(&encoded),
            _ => encoded.into(),
        }
    }

    pub(super) async fn send(&self, message: Bytes) -> Result<Answer, BoxError> {
        match self.protocol {
            OtlpProtocol::HttpProtobuf => over_http::send(&self.receiver, message).await,
            OtlpProtocol::Grpc => grpc::send(&self.receiver, message).await,
        }
    }
}

/// OTLP sends credentials in headers, and a client may log its URI.
fn without_user(endpoint: &str) -> Result<Uri, http::Error> {
    let mut parts = endpoint.parse::<Uri>()?.into_parts();
    if let Some((_, host)) =
        parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit_once('@'))
    {
        parts.authority = Some(host.parse()?);
    }
    Ok(Uri::from_parts(parts)?)
}
