//! Facts that HTTP heads state.

use std::fmt;
use std::time::Duration;

use http::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Body;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

const GRPC: &[u8] = b"application/grpc";

/// Returns the number of bytes that the request's body will have: `content-length` if present, else the body's exact
/// size. `None` if unknown or zero, since neither needs counting.
pub(crate) fn body_length<B: Body>(request: &Request<B>) -> Option<u64> {
    let header = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    header.or_else(|| request.body().size_hint().exact()).filter(|length| *length > 0)
}

/// Adds `content-length: 0` where the method has a meaning for content, and there is none (RFC 9110, section 8.6): some
/// servers answer 411 without it, and hyper does not send it.
pub(crate) fn announce_empty_body<B: Body>(request: &mut Request<B>) {
    let headers = request.headers();
    let announced =
        || [CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].iter().any(|name| headers.contains_key(name));
    if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        && request.body().is_end_stream()
        && !announced()
    {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

/// Whether a `Connection` header has this option (RFC 9110, section 7.6.1).
pub(crate) fn has_connection_option(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(option))
}

/// Whether `content-type` is gRPC's: `application/grpc` in any case (RFC 9110, section 8.3.1), alone, with a suffix
/// (`+proto`) or with parameters. `application/grpc-web` is another protocol.
pub(crate) fn has_grpc_content_type(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE);
    value.and_then(|value| value.as_bytes().split_at_checked(GRPC.len())).is_some_and(|(name, rest)| {
        name.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}

/// Whether a media range of `accept` is that of server-sent events.
pub(crate) fn accepts_event_stream(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(is_event_stream)
}

/// Whether `content-type` is that of server-sent events.
pub(crate) fn has_event_stream_content_type(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_event_stream)
}

fn is_event_stream(media: &str) -> bool {
    let essence = media.split_once(';').map_or(media, |(essence, _)| essence);
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The `timeout` of a `Keep-Alive` header, in seconds: how long the server keeps the connection when it is idle
/// (RFC 2068, section 19.7.1.1).
pub(crate) fn keep_alive_timeout(headers: &HeaderMap) -> Option<Duration> {
    let parameters = headers.get(KEEP_ALIVE)?.to_str().ok()?.split(',');
    let timeout = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().trim_matches('"').parse().ok())?
    };
    parameters.filter_map(timeout).next().map(|seconds: u32| Duration::from_secs(seconds.into()))
}

/// Returns the default port of a scheme; 0 for a scheme other than `http` and `https`.
pub(crate) fn default_port(scheme: &str) -> u16 {
    match scheme {
        "http" => 80,
        "https" => 443,
        _ => 0,
    }
}

/// Displays `host:port`, with brackets around an IPv6 address (RFC 3986, section 3.2.2). `host` has no brackets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostPort<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests;
