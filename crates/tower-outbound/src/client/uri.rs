//! Errors about URIs that cannot be sent. They show no user, password or query, and no port that is none.

use http::Uri;

use crate::error::Error;
use crate::util::Authority;

pub(super) fn check(uri: &Uri) -> Result<(), Error> {
    let authority = uri.authority().map(|authority| Authority::split(authority.as_str()));
    let fault = match (uri.scheme_str(), authority) {
        (Some("http" | "https"), Some(authority)) if !authority.host.is_empty() => {
            match is_stray(authority.port) {
                false => return Ok(()),
                true => {
                    "has no port from 0 to 65535 after the colon (is the host missing after user and password?)"
                        .to_owned()
                }
            }
        }
        (None, Some(_)) => "has no scheme".to_owned(),
        (Some("http" | "https") | None, _) => "names no host".to_owned(),
        (Some(scheme), _) => format!("has the scheme {scheme:?}"),
    };
    Err(Error::invalid_request(format!(
        "uri {:?} {fault}: it must be absolute, http://host/path or https://host/path",
        shown(uri)
    )))
}

/// Whether the text after the host's colon is not a port: the `http` crate accepts any. It may be a password.
fn is_stray(port: Option<&str>) -> bool {
    port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err())
}

pub(super) fn unparsable(error: &http::Error) -> Error {
    Error::invalid_request(format!("uri cannot be parsed: {error}"))
}

/// The URI without user, password and query.
fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}{}{port}{}", uri.host().unwrap_or_default(), uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_uri_error_shows_no_secrets() {
        for (uri, expected) in [
            ("/relative?sig=s", "uri \"/relative\" names no host"),
            ("ftp://user:pw@host/x?sig=s", "uri \"ftp://host/x\" has the scheme \"ftp\""),
            ("host:80", "has no scheme"),
            ("https://admin:hunter2/x?sig=s", "uri \"https://admin/x\" has no port"),
            ("ftp://admin:hunter2/x", "uri \"ftp://admin/x\" has the scheme \"ftp\""),
            ("http://user:pw@[::1]:99999/", "uri \"http://[::1]/\" has no port"),
        ] {
            let message = check(&uri.parse().unwrap()).unwrap_err().to_string();
            let secret = ["hunter2", "pw", "99999", "sig"].iter().any(|secret| message.contains(secret));
            assert!(!secret, "{message}");
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("http://host/path"), "{message}");
        }
        for uri in ["https://host", "http://host:", "http://user:pw@[::1]:80/x", "http://a.b:65535?q"] {
            assert!(check(&uri.parse().unwrap()).is_ok(), "{uri}");
        }
    }
}
