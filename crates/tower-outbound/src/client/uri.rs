//! Errors about URIs that cannot be sent. They show no user, password or query.

use http::Uri;

use crate::error::Error;

pub(super) fn check(uri: &Uri) -> Result<(), Error> {
    let fault = match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => match stray_port(uri) {
            None => return Ok(()),
            Some(port) => format!("has the port {port:?}"),
        },
        (None, Some(_)) => "has no scheme".to_owned(),
        (Some("http" | "https") | None, _) => "names no host".to_owned(),
        (Some(scheme), _) => format!("has the scheme {scheme:?}"),
    };
    Err(Error::invalid_request(format!(
        "uri {:?} {fault}: it must be absolute, http://host/path or https://host/path",
        shown(uri)
    )))
}

/// The text after the host's colon if it is not a port; the `http` crate accepts any.
fn stray_port(uri: &Uri) -> Option<&str> {
    let (_, after_host) = uri.authority()?.as_str().rsplit_once(uri.host()?)?;
    let port = after_host.strip_prefix(':').filter(|port| !port.is_empty())?;
    port.parse::<u16>().is_err().then_some(port)
}

pub(super) fn unparsable(error: &http::Error) -> Error {
    Error::invalid_request(format!("uri cannot be parsed: {error}"))
}

/// The URI without user, password and query.
fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
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
            ("http://host:port/x?sig=s", "uri \"http://host/x\" has the port \"port\""),
            ("http://user:pw@[::1]:99999/", "has the port \"99999\""),
        ] {
            let message = check(&uri.parse().unwrap()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("http://host/path"), "{message}");
        }
        for uri in ["https://host", "http://host:", "http://user:pw@[::1]:80/x", "http://a.b:65535?q"] {
            assert!(check(&uri.parse().unwrap()).is_ok(), "{uri}");
        }
    }
}
