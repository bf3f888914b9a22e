//! Facts that HTTP heads state.

use std::fmt;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body::Body;

const GRPC: &[u8] = b"application/grpc";

/// Returns the number of bytes that the request's body will have: `content-length` if present, else the body's exact
/// size. `None` if unknown or zero, since neither needs counting.
pub(crate) fn body_length<B: Body>(request: &Request<B>) -> Option<u64> {
    let header = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    header.or_else(|| request.body().size_hint().exact()).filter(|length| *length > 0)
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
