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
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn grpc_detected_by_whole_content_type() {
        for (content, expected) in [
            ("application/grpc", true),
            ("Application/gRPC", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc ; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/grp", false),
            (" application/grpc", false),
            ("application/json", false),
            ("", false),
        ] {
            let value = HeaderValue::from_bytes(content.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
            assert_eq!(has_grpc_content_type(&headers), expected, "{content:?}");
        }
        assert!(!has_grpc_content_type(&HeaderMap::new()));
    }

    #[test]
    fn connection_option_found_in_any_value_and_case() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive, Close"));
        headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
        assert!(has_connection_option(&headers, "close") && has_connection_option(&headers, "upgrade"));
        assert!(!has_connection_option(&headers, "clos"));
    }

    #[test]
    fn body_length_prefers_header_and_ignores_zero() {
        let request = |header: Option<&str>, body: &str| {
            let builder =
                header.map_or(Request::builder(), |value| Request::builder().header(CONTENT_LENGTH, value));
            body_length(&builder.body(body.to_owned()).unwrap())
        };
        assert_eq!(request(Some("7"), "abc"), Some(7));
        assert_eq!(request(Some("x"), "abc"), Some(3));
        assert_eq!(request(None, ""), None);
        assert_eq!(request(Some("0"), "abc"), None);
    }

    #[test]
    fn host_port_brackets_ipv6_only() {
        assert_eq!(HostPort { host: "a.test", port: 80 }.to_string(), "a.test:80");
        assert_eq!(HostPort { host: "2001:db8::1", port: 443 }.to_string(), "[2001:db8::1]:443");
    }
}
