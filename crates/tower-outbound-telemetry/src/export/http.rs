//! OTLP over HTTP, in protobuf or JSON.
//!
//! Source: the OTLP specification, section OTLP/HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Limited};
use tower_outbound::BoxError;

use super::answer::{Again, Answer, LARGEST, Partial};
use super::said;
use super::transport::Message;

pub(super) fn message(
    mut headers: HeaderMap,
    media: Option<&HeaderValue>,
    encoding: Option<HeaderValue>,
    body: Bytes,
) -> Message {
    if let Some(media) = media {
        headers.insert(CONTENT_TYPE, media.clone());
    }
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, encoding);
    }
    Message { headers, body }
}

/// The exporter writes NaN and infinities as `null`, for which a Collector refuses the whole request. JSON of protobuf has
/// strings for them; which one it was is lost.
pub(super) fn with_numbers(json: Bytes) -> Bytes {
    const NULL: &str = "\"doubleValue\": null";
    match std::str::from_utf8(&json) {
        // Inside a string, the quotes are escaped.
        Ok(text) if text.contains(NULL) => text.replace(NULL, "\"doubleValue\": \"NaN\"").into(),
        _ => json,
    }
}

pub(super) async fn answer<B>(response: Response<B>, sent: &HeaderMap) -> Answer
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let (head, body) = response.into_parts();
    // The head is the answer, even if the body is missing.
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let media = head.headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok());
    if head.status.is_success() {
        return Answer::Taken(match media {
            Some(media) if media.contains("json") => Partial::from_json(&body),
            _ => Partial::from_protobuf(&body),
        });
    }
    let said = said::line(&head.status.to_string(), &said::reason(media, &body), sent);
    let again =
        if is_temporary(head.status) { Again::After(retry_after(&head.headers)) } else { Again::Never };
    Answer::Refused { said, again }
}

/// The specification's table of retryable statuses.
pub(super) fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
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

    #[test]
    fn json_null_becomes_number_outside_of_strings() {
        let json = r#"[{ "doubleValue": null }, { "stringValue": "\"doubleValue\": null" }, { "doubleValue": 1.0 }]"#;
        let expected = json.replacen("null", "\"NaN\"", 1);
        assert_eq!(with_numbers(Bytes::from_static(json.as_bytes())), expected);
        assert_eq!(with_numbers(Bytes::from_static(b"\xff")), b"\xff".as_slice());
    }

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
