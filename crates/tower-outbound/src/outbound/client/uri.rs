//! URIs that cannot be sent, said plainly and without their secrets.

use http::Uri;

use crate::error::Error;

pub(super) fn check(uri: &Uri) -> Result<(), Error> {
    let fault = match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => return Ok(()),
        (Some("http" | "https") | None, _) => "names no host".to_owned(),
        (Some(scheme), _) => format!("has the scheme {scheme:?}"),
    };
    Err(Error::invalid_request(format!(
        "uri {:?} {fault}: it must be absolute, http://host/path or https://host/path",
        shown(uri)
    )))
}

pub(super) fn unparsable(error: &http::Error) -> Error {
    Error::invalid_request(format!("uri cannot be parsed: {error}"))
}

/// Without user, password and query.
fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}{}{port}{}", uri.host().unwrap_or_default(), uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_that_cannot_be_sent_is_shown_without_its_secrets() {
        for (uri, expected) in [
            ("/relative?sig=s", "uri \"/relative\" names no host"),
            ("ftp://user:pw@host/x?sig=s", "uri \"ftp://host/x\" has the scheme \"ftp\""),
            ("host:80", "names no host"),
        ] {
            let message = check(&uri.parse().unwrap()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("http://host/path"), "{message}");
        }
        assert!(check(&"https://host".parse().unwrap()).is_ok());
    }
}
