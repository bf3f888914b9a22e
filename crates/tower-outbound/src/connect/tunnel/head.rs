//! The heads of `CONNECT` and of its answer (RFC 9110, section 9.3.6).

use http::{HeaderMap, StatusCode, Uri};

use crate::error::TunnelError;
use crate::util::http::default_port;

/// What a proxy answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Another head follows.
    Interim,
    /// Any 2xx. What follows the head is the tunnel's, whatever the head says of a body.
    Opened,
    Refused(StatusCode),
}

/// The request for a tunnel to the origin of this URI.
pub(super) fn request(origin: &Uri, headers: &HeaderMap) -> Result<Vec<u8>, TunnelError> {
    let host = origin.host().filter(|host| !host.is_empty()).ok_or(TunnelError::NO_HOST)?;
    let port = origin.port_u16().unwrap_or_else(|| default_port(origin.scheme_str().unwrap_or("http")));
    let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// The meaning of a head, by its status line.
pub(super) fn parse(head: &[u8]) -> Result<Answer, TunnelError> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', code @ ..] => match code {
            [a, b, c] | [a, b, c, b' ', ..] => StatusCode::from_bytes(&[*a, *b, *c]).ok(),
            _ => None,
        },
        _ => None,
    };
    let status = status.ok_or(TunnelError::NO_HTTP)?;
    Ok(match status.as_u16() {
        101 => Answer::Refused(status),
        100..=199 => Answer::Interim,
        200..=299 => Answer::Opened,
        _ => Answer::Refused(status),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnel_answer_is_decided_by_status_line() {
        let answer = |line: &str| parse(format!("{line}\r\nx: y\r\n\r\n").as_bytes()).ok();
        for line in ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1 201 Created", "HTTP/1.1 299 "] {
            assert_eq!(answer(line), Some(Answer::Opened), "{line}");
        }
        assert_eq!(answer("HTTP/1.1 103 Early Hints"), Some(Answer::Interim));
        for code in [101, 302, 403, 407, 502, 503] {
            let refused = Answer::Refused(StatusCode::from_u16(code).unwrap());
            assert_eq!(answer(&format!("HTTP/1.1 {code} No")), Some(refused));
        }
        for line in ["HTTP/1.1 2000 OK", "HTTP/1.1 20", "HTTP/2 200", "SSH-2.0-x", ""] {
            assert_eq!(answer(line), None, "{line}");
        }
    }

    #[test]
    fn tunnel_request_names_host_and_port() {
        let text = |uri: &str| {
            let headers = HeaderMap::from_iter([(http::header::USER_AGENT, "x".parse().unwrap())]);
            request(&uri.parse().unwrap(), &headers).map(|head| String::from_utf8(head).unwrap())
        };
        let expected = |to| format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nuser-agent: x\r\n\r\n");
        assert_eq!(text("https://a.example/x").unwrap(), expected("a.example:443"));
        assert_eq!(text("http://user:pw@a.example").unwrap(), expected("a.example:80"));
        assert_eq!(text("https://[::1]:8443/").unwrap(), expected("[::1]:8443"));
        assert!(text("/x").unwrap_err().lacks_host());
    }
}
