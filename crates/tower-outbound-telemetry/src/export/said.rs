//! What the receiver said, as it is logged: one line, bounded, without our credentials.

use http::HeaderMap;
use tonic_types::Status;

/// In characters.
const LONGEST: usize = 256;
/// Shorter header values are no secrets, and may be part of any word.
const SHORTEST_SECRET: usize = 8;

/// The message in the body of a refusal: a `google.rpc.Status` in protobuf or JSON, or text.
pub(super) fn reason(media: Option<&str>, body: &[u8]) -> String {
    let is = |kind: &str| media.is_some_and(|media| media.contains(kind));
    if is("protobuf") {
        return <Status as prost::Message>::decode(body).map(|status| status.message).unwrap_or_default();
    }
    if is("json") {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        return body["message"].as_str().unwrap_or_default().to_owned();
    }
    // A page of a proxy says less than the status.
    if is("html") { String::new() } else { String::from_utf8_lossy(body).into_owned() }
}

/// Joins what failed and why, in one line of bounded length. Hides values of these headers that the receiver repeats.
pub(super) fn line(what: &str, why: &str, headers: &HeaderMap) -> String {
    let mut text: String = why.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for value in headers.values().filter_map(|value| value.to_str().ok()) {
        let words = std::iter::once(value).chain(value.split_whitespace());
        for secret in words.filter(|word| word.len() >= SHORTEST_SECRET) {
            text = text.replace(secret, "REDACTED");
        }
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn said_reads_status_in_protobuf_json_and_text() {
        let message = b"\x08\x10\x12\x05no no";
        assert_eq!(reason(Some("application/x-protobuf"), message), "no no");
        assert_eq!(reason(Some("application/json"), br#"{"code":16,"message":"no no"}"#), "no no");
        assert_eq!(reason(Some("text/plain; charset=utf-8"), b"no no"), "no no");
        assert_eq!(reason(None, b"no no"), "no no");
        for (media, body) in [
            ("application/x-protobuf", b"\xff".as_slice()),
            ("application/json", b"[]"),
            ("text/html", b"<p>"),
        ] {
            assert_eq!(reason(Some(media), body), "", "{media}");
        }
    }

    #[test]
    fn said_is_one_bounded_line_without_credentials() {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer marker-1"))]);
        assert_eq!(line("401", "", &headers), "401");
        assert_eq!(line("401", " bad token marker-1\r\nsent ", &headers), "401: bad token REDACTED  sent");
        let long = line("503", &"ä".repeat(10_000), &headers);
        assert_eq!(long.chars().count(), "503: ".len() + LONGEST + 1);
    }
}
