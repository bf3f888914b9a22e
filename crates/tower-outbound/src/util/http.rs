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
const EVENT_STREAM: &[u8] = b"text/event-stream";

/// What the layers ask a head for, found in one pass: each look-up by name hashes the name.
#[derive(Debug, Default)]
pub(crate) struct NamedHeaders<'a> {
    /// The first ones of their names.
    content_length: Option<&'a HeaderValue>,
    content_type: Option<&'a HeaderValue>,
    keep_alive: Option<&'a HeaderValue>,
    /// Whether a media range of an `accept` is that of server-sent events.
    accepts_event_stream: bool,
    connection: bool,
}

impl<'a> NamedHeaders<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut named = Self::default();
        for (name, value) in headers {
            if *name == CONTENT_TYPE {
                named.content_type.get_or_insert(value);
            } else if *name == CONTENT_LENGTH {
                named.content_length.get_or_insert(value);
            } else if *name == CONNECTION {
                named.connection = true;
            } else if *name == ACCEPT {
                named.accepts_event_stream |= accepts_event_stream(value.as_bytes());
            } else if *name == KEEP_ALIVE {
                named.keep_alive.get_or_insert(value);
            }
        }
        named
    }

    /// Whether a `Connection` header has this option (RFC 9110, section 7.6.1).
    pub(crate) fn has_connection_option(&self, headers: &HeaderMap, option: &str) -> bool {
        self.connection && has_connection_option(headers, option)
    }

    /// Whether `content-type` is gRPC's.
    pub(crate) fn is_grpc(&self) -> bool {
        self.content_type.is_some_and(is_grpc)
    }

    /// Whether a media range of `accept` is that of server-sent events.
    pub(crate) fn accepts_event_stream(&self) -> bool {
        self.accepts_event_stream
    }

    /// Whether `content-type` is that of server-sent events.
    pub(crate) fn is_event_stream(&self) -> bool {
        self.content_type.is_some_and(|value| is_event_stream(value.as_bytes()))
    }

    /// How long the server keeps the connection when it is idle.
    pub(crate) fn keep_alive_timeout(&self) -> Option<Duration> {
        self.keep_alive.and_then(keep_alive_timeout)
    }

    /// Returns the number of bytes that the request's body will have: `content-length` if present, else the body's exact
    /// size. `None` if unknown or zero, since neither needs counting.
    pub(crate) fn body_length(&self, body: &impl Body) -> Option<u64> {
        self.content_length().or_else(|| body.size_hint().exact()).filter(|length| *length > 0)
    }

    /// The value of `content-length`.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.content_length.and_then(|length| length.to_str().ok()?.parse().ok())
    }
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

fn has_connection_option(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(option))
}

/// Whether `content-type` is gRPC's: `application/grpc` in any case (RFC 9110, section 8.3.1), alone, with a suffix
/// (`+proto`) or with parameters. `application/grpc-web` is another protocol.
pub(crate) fn has_grpc_content_type(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(is_grpc)
}

fn is_grpc(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().split_at_checked(GRPC.len()).is_some_and(|(name, rest)| {
        name.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}

fn accepts_event_stream(accept: &[u8]) -> bool {
    // Most values are too short.
    accept.len() >= EVENT_STREAM.len() && accept.split(|byte| *byte == b',').any(is_event_stream)
}

fn is_event_stream(media: &[u8]) -> bool {
    if media.len() < EVENT_STREAM.len() {
        return false;
    }
    let essence = media.split(|byte| *byte == b';').next().unwrap_or(media);
    essence.trim_ascii().eq_ignore_ascii_case(EVENT_STREAM)
}

/// The `timeout` of a `Keep-Alive` header, in seconds: how long the server keeps the connection when it is idle
/// (RFC 2068, section 19.7.1.1).
fn keep_alive_timeout(keep_alive: &HeaderValue) -> Option<Duration> {
    let parameters = keep_alive.to_str().ok()?.split(',');
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
