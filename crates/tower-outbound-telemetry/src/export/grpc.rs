//! OTLP over gRPC: a protobuf request in a gRPC frame.
//!
//! Sources: the OTLP specification, section OTLP/gRPC, with its table of retryable codes; gRPC over HTTP/2.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Limited};
use percent_encoding::percent_decode;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower_outbound::BoxError;

use super::answer::{Again, Answer, LARGEST, Partial, Signal};
use super::compression::{ACCEPTED, decompressed};
use super::transport::Message;
use super::{http as over_http, said};

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A flag (compressed or not), and the length in four bytes.
pub(super) const FRAME_HEAD: usize = 5;

/// Senders may leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The URI of the signal's method, below the endpoint's path.
pub(super) fn method(endpoint: Uri, signal: Signal) -> Result<Uri, http::Error> {
    let method = match signal {
        Signal::Traces => "opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    };
    let path = format!("{}/{method}", endpoint.path().trim_end_matches('/'));
    let mut parts = endpoint.into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path)?);
    Ok(Uri::from_parts(parts)?)
}

/// `frame`: the message, after room for its head.
pub(super) fn message(mut headers: HeaderMap, encoding: Option<HeaderValue>, mut frame: Vec<u8>) -> Message {
    // A request is smaller than 64 MiB.
    let length = u32::try_from(frame.len() - FRAME_HEAD).unwrap_or(u32::MAX);
    frame[0] = encoding.is_some().into();
    frame[1..FRAME_HEAD].copy_from_slice(&length.to_be_bytes());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
    if let Some(encoding) = encoding {
        headers.insert(ENCODING, encoding);
    }
    Message { headers, body: frame.into() }
}

/// An error if the receiver did not answer.
pub(super) async fn answer<B>(response: Response<B>, sent: &HeaderMap) -> Result<Answer, BoxError>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        let media = head.headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let body = Limited::new(body, LARGEST).collect().await.map(Collected::to_bytes).unwrap_or_default();
        let said = said::line(&format!("HTTP status {}", head.status), &said::reason(media, &body), sent);
        let temporary = over_http::is_temporary(head.status);
        return Ok(Answer::Refused {
            said,
            again: if temporary { Again::After(None) } else { Again::Never },
        });
    }
    let body = Limited::new(body, LARGEST).collect().await?;
    // Without a message, the head may be the trailers too.
    let status = body.trailers().and_then(status).or_else(|| status(&head.headers));
    let status = status.ok_or("the answer has no gRPC status")?;
    if status.code() != Code::Ok {
        let said = said::line(&format!("{:?}", status.code()), status.message(), sent);
        return Ok(Answer::Refused { said, again: again(&status) });
    }
    let encoding = head.headers.get(ENCODING).map_or(b"".as_slice(), HeaderValue::as_bytes);
    Ok(Answer::Taken(partial(&body.to_bytes(), encoding)))
}

/// The status is the acknowledgement, even if the message cannot be read.
fn partial(body: &Bytes, encoding: &[u8]) -> Partial {
    match body.split_at_checked(FRAME_HEAD) {
        Some(([0, ..], message)) => Partial::from_protobuf(message),
        Some((_, message)) => Partial::from_protobuf(&decompressed(encoding, message).unwrap_or_default()),
        None => Partial::default(),
    }
}

/// Not `Status::from_header_map`, which panics if the details are not base64.
fn status(headers: &HeaderMap) -> Option<Status> {
    let bytes = |name| headers.get(name).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let code = Code::from_bytes(headers.get("grpc-status")?.as_bytes());
    let message = percent_decode(bytes("grpc-message")).decode_utf8_lossy().into_owned();
    let details = BASE64.decode(bytes("grpc-status-details-bin")).unwrap_or_default();
    Some(Status::with_details(code, message, details.into()))
}

fn again(status: &Status) -> Again {
    let retry = status.get_details_retry_info();
    match (status.code(), retry) {
        (_, Some(info)) => Again::After(info.retry_delay),
        (
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss,
            None,
        ) => Again::After(None),
        _ => Again::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_status_with_invalid_details_is_read() {
        let headers = [("grpc-status", "14"), ("grpc-message", "a%20b%zz"), ("grpc-status-details-bin", "?")];
        let headers =
            headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let status = status(&HeaderMap::from_iter(headers)).unwrap();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "a b%zz"));
        assert_eq!(again(&status), Again::After(None));
    }

    #[test]
    fn grpc_answer_cut_or_of_unknown_compression_is_taken() {
        for body in [b"".as_slice(), &[0, 0], &[1, 0, 0, 0, 2, 9, 9], &[0, 0, 0, 0, 9, 9]] {
            assert_eq!(partial(&Bytes::copy_from_slice(body), b"snappy"), Partial::default());
        }
    }
}
