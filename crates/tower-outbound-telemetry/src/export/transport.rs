//! Sends one request over HTTP or gRPC.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use tower_outbound::{BoxError, Failure, Kind, Outbound, OutboundClient};

use super::answer::{Answer, Signal};
use super::tls::RefusedByTls;
use super::{grpc, http as over_http, tls};
use crate::settings::{Compression, Export, OtlpProtocol};
use crate::{TelemetryError, Warning};

/// The exporter, its language and its version, as the OTLP specification asks for.
const AGENT: &str = concat!("OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));

/// Sends requests of one signal to the receiver.
#[derive(Debug)]
pub(super) struct Transport {
    client: OutboundClient,
    uri: Uri,
    /// Marked as sensitive.
    headers: HeaderMap,
    protocol: OtlpProtocol,
    compression: Option<Compression>,
    refused_by_tls: RefusedByTls,
}

/// A request as it is on the wire, for every attempt.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Transport {
    pub(super) fn new(
        export: &Export,
        signal: Signal,
        client: Option<OutboundClient>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, TelemetryError> {
        let mut uri = without_user(&export.endpoint)
            .map_err(|error| TelemetryError::new("parsing the endpoint", error))?;
        if export.protocol == OtlpProtocol::Grpc {
            uri = grpc::method(uri, signal)
                .map_err(|error| TelemetryError::new("parsing the endpoint", error))?;
        }
        let refused_by_tls = RefusedByTls::default();
        let client = match client {
            Some(given) => given,
            // No observer that records: the export is not observed.
            None => {
                // `Delivery` retries and counts.
                let outbound = Outbound::builder().retry(|retry| retry.max_retries(0));
                let outbound = outbound.observer(refused_by_tls.clone()).build();
                let client = outbound.client_builder().tls_config(tls::config(&uri, &export.tls, warnings)?);
                client.http2_only(export.protocol == OtlpProtocol::Grpc).build()
            }
        };
        let (headers, protocol, compression) = (export.headers.clone(), export.protocol, export.compression);
        Ok(Self { client, uri, headers, protocol, compression, refused_by_tls })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Makes a message of an exporter's request, of which only the body and its description are used: the exporter reads
    /// headers from the process's environment, which may not be ours.
    pub(super) fn prepare(&self, request: Request<Bytes>) -> Message {
        let (head, mut body) = request.into_parts();
        // An exporter with the feature for it has compressed, if the process's environment says so.
        let encoding = head.headers.get(CONTENT_ENCODING).cloned();
        if self.protocol == OtlpProtocol::HttpJson && encoding.is_none() {
            body = over_http::with_numbers(body);
        }
        let mut frame = vec![0; self.frame_head()];
        frame.extend_from_slice(&body);
        self.message(head.headers.get(USER_AGENT), head.headers.get(CONTENT_TYPE), encoding, frame)
    }

    /// Makes a message of a request that `encode` appends.
    ///
    /// # Errors
    /// A request of more than `largest` bytes.
    pub(super) fn protobuf(
        &self,
        largest: usize,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Message, String> {
        let mut frame = vec![0; self.frame_head()];
        encode(&mut frame);
        if frame.len() > largest {
            return Err(format!("a request of {} bytes; the most are {largest}", frame.len()));
        }
        let media = HeaderValue::from_static("application/x-protobuf");
        Ok(self.message(Some(&HeaderValue::from_static(AGENT)), Some(&media), None, frame))
    }

    /// The bytes that stay free before a body.
    fn frame_head(&self) -> usize {
        if self.protocol == OtlpProtocol::Grpc { grpc::FRAME_HEAD } else { 0 }
    }

    /// `frame`: the body, after room for its head. `encoding`: that of a body that is compressed.
    fn message(
        &self,
        agent: Option<&HeaderValue>,
        media: Option<&HeaderValue>,
        mut encoding: Option<HeaderValue>,
        mut frame: Vec<u8>,
    ) -> Message {
        if let (None, Some(compression)) = (&encoding, self.compression) {
            let head = self.frame_head();
            frame = compression.compress(&frame[head..], vec![0; head]);
            encoding = Some(compression.encoding());
        }
        let mut headers = self.headers.clone();
        if let Some(agent) = agent {
            headers.entry(USER_AGENT).or_insert_with(|| agent.clone());
        }
        match self.protocol {
            OtlpProtocol::Grpc => grpc::message(headers, encoding, frame),
            _ => over_http::message(headers, media, encoding, frame.into()),
        }
    }

    pub(super) async fn send(&self, message: Message) -> Result<Answer, BoxError> {
        let mut request = Request::new(Full::new(message.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = message.headers;
        let response = self.client.request(request).await?;
        match self.protocol {
            OtlpProtocol::Grpc => grpc::answer(response, &self.headers).await,
            _ => Ok(over_http::answer(response, &self.headers).await),
        }
    }

    /// Whether this failure is for good: a certificate that one side does not trust, or misses, is the same in a second.
    pub(super) fn is_final(&self, failure: &Failure) -> bool {
        failure.certificate().is_some() || failure.tls_alert().is_some() || self.is_refused_by_tls(failure)
    }

    /// Whether the receiver ended TLS, of which the failure says nothing.
    fn is_refused_by_tls(&self, failure: &Failure) -> bool {
        let by_end = matches!(failure.kind(), Kind::SecureConnection | Kind::ResponseEnded);
        by_end && self.refused_by_tls.get()
    }

    /// What to look at, if the receiver seems to want a client certificate or to speak the other protocol.
    pub(super) fn hint(&self, failure: &Failure) -> &'static str {
        if self.is_refused_by_tls(failure) {
            return " (the receiver ended TLS: does it want a client certificate?)";
        }
        // How a receiver ends a connection whose protocol it does not speak depends on what it has read by then.
        let seems_foreign = matches!(
            failure.kind(),
            Kind::Protocol | Kind::InvalidResponse | Kind::ResponseEnded | Kind::ConnectionReset
        );
        match self.protocol {
            _ if !seems_foreign => "",
            OtlpProtocol::Grpc => {
                " (does the receiver speak gRPC on this port? usually 4317, and HTTP on 4318)"
            }
            _ => " (does the receiver speak HTTP on this port? usually 4318, and gRPC on 4317)",
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
