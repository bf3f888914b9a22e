//! OTLP over HTTP, as protobuf.
//!
//! Source: the OTLP specification, section OTLP/HTTP.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use tower_outbound::BoxError;

use super::answer::{Again, Answer};
use super::receiver::Receiver;

/// Larger than any OTLP answer.
const LARGEST_ANSWER: usize = 64 << 10;

pub(super) fn compressed(message: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(message).and_then(|()| encoder.finish());
    written.expect("memory takes everything").into()
}

pub(super) async fn send(receiver: &Receiver, message: Bytes) -> Result<Answer, BoxError> {
    let mut request = Request::new(Full::new(message));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = receiver.uri.clone();
    let headers = request.headers_mut();
    headers.clone_from(&receiver.headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if receiver.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let response = receiver.client.request(request).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await;
    if head.status.is_success() {
        // The head is the acknowledgement, even if the body is missing.
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        return Ok(Answer::Taken { rejected: receiver.signal.rejected(&body) });
    }
    let again = match head.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Again::After(retry_after(&head.headers)),
        _ => Again::Never,
    };
    Ok(Answer::Refused { said: head.status.to_string(), again })
}

/// Seconds or a date (RFC 9110, section 10.2.3). Other values are ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &'static str) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
    }

    #[test]
    fn retry_after_parses_seconds_or_date() {
        assert_eq!(parsed("7"), Some(Duration::from_secs(7)));
        assert_eq!(parsed("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO), "has passed");
        assert!(parsed("Fri, 31 Dec 9999 23:59:59 GMT").unwrap() > Duration::from_secs(1 << 30));
        for not_one in ["", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(parsed(not_one), None, "{not_one}");
        }
    }
}
