//! The user info of a URI, which goes to the peer as a header only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, Uri};
use percent_encoding::percent_decode_str;

use super::authority::{Authority, has_user_info};

/// A URI without its user info, and the user info as the value of `Authorization` (RFC 7617). `None` if there is none.
pub(crate) fn split(uri: &Uri) -> Option<(Uri, HeaderValue)> {
    let authority = uri.authority()?.as_str();
    if !has_user_info(authority) {
        return None;
    }
    let user_info = Authority::split(authority).user_info?;
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(authority[user_info.len() + 1..].parse().ok()?);
    Some((Uri::from_parts(parts).ok()?, basic(user_info)?))
}

/// Takes the user info out of the URI: a client below neither sends it in `:authority` (RFC 9113, section 8.3.1) nor logs
/// it nor keeps a connection for it. It becomes `Authorization: Basic`, unless the request has that header.
pub(crate) fn move_to_header<B>(request: &mut Request<B>) {
    let Some((uri, basic)) = split(request.uri()) else { return };
    *request.uri_mut() = uri;
    // That of a tunnel would be for the proxy.
    if request.method() != Method::CONNECT {
        request.headers_mut().entry(AUTHORIZATION).or_insert(basic);
    }
}

fn basic(user_info: &str) -> Option<HeaderValue> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut credentials: Vec<u8> = percent_decode_str(user).collect();
    credentials.push(b':');
    credentials.extend(percent_decode_str(password));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_is_split_and_decoded() {
        for (uri, expected) in [
            (
                "http://user:pw@peer.test:81/x?a=b@c",
                Some(("http://peer.test:81/x?a=b@c", "Basic dXNlcjpwdw==")),
            ),
            ("http://user@[::1]/", Some(("http://[::1]/", "Basic dXNlcjo="))),
            ("http://a%40b:c%3Ad@peer.test/", Some(("http://peer.test/", "Basic YUBiOmM6ZA=="))),
            ("http://peer.test/user:pw@x", None),
            ("/path", None),
        ] {
            let split = split(&uri.parse().unwrap());
            let split = split.as_ref().map(|(uri, basic)| (uri.to_string(), basic.to_str().unwrap()));
            assert_eq!(split.as_ref().map(|(uri, basic)| (&**uri, *basic)), expected, "{uri}");
        }
    }
}
