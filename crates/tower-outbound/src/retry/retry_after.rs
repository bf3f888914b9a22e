//! The delay that a peer asks for: the `Retry-After` header (RFC 9110, section 10.2.3) and gRPC's pushback.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// Defined by gRPC's proposal A6, "Client Retries".
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The delay that a response asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerDelay {
    /// No header, or a header that cannot be parsed.
    Unspecified,
    After(Duration),
    /// The peer asks not to retry.
    Never,
}

/// Parses `Retry-After`. A date in the past is zero; a number that overflows is `Duration::MAX`; any other value that
/// cannot be parsed is ignored.
pub(super) fn retry_after(headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> PeerDelay {
    let Some(text) = text(headers, &RETRY_AFTER) else { return PeerDelay::Unspecified };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return PeerDelay::After(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let Ok(at) = httpdate::parse_http_date(text) else { return PeerDelay::Unspecified };
    // Relative to the peer's own clock if the response has a `Date`.
    let date = self::text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = date.unwrap_or_else(now);
    PeerDelay::After(at.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Parses `grpc-retry-pushback-ms`. Any value that is not a number of milliseconds forbids retries, as A6 says.
pub(super) fn pushback(headers: &HeaderMap) -> PeerDelay {
    if !headers.contains_key(PUSHBACK) {
        return PeerDelay::Unspecified;
    }
    let delay = text(headers, &PUSHBACK).and_then(|text| text.parse().ok());
    delay.map_or(PeerDelay::Never, |delay| PeerDelay::After(Duration::from_millis(delay)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests;
