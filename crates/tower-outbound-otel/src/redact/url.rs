use http::Uri;
use tower_outbound::{Origin, UrlTemplate};

use super::{REDACTED, RedactPath, RedactQuery};

/// What `url.full` hides.
#[derive(Debug)]
pub(crate) struct Redact {
    pub(crate) query: RedactQuery,
    pub(crate) path: RedactPath,
    /// The attribute is left out.
    pub(crate) whole: bool,
}

impl Redact {
    /// The absolute URL; `None` if it is left out. A URI without a host gets the origin's.
    pub(crate) fn url_full(
        &self,
        uri: &Uri,
        origin: &Origin,
        template: Option<&UrlTemplate>,
    ) -> Option<String> {
        if self.whole {
            return None;
        }
        // Exact if nothing is hidden: the attribute then takes the string without a copy.
        let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
        let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
        let query = uri.query().map_or(0, |query| query.len() + "?".len());
        let mut url = String::with_capacity(scheme + authority + uri.path().len() + query);
        match uri.authority() {
            Some(authority) => {
                url.push_str(uri.scheme_str().unwrap_or_else(|| origin.scheme()));
                url.push_str("://");
                match names(authority.as_str(), origin) {
                    true => url.push_str(authority.as_str()),
                    false => push_authority(&mut url, authority.as_str()),
                }
            }
            None if origin.host().is_empty() => {}
            None => url.push_str(&origin.to_string()),
        }
        self.path.push(&mut url, uri.path(), template);
        if let Some(query) = uri.query() {
            url.push('?');
            self.query.push(&mut url, query);
        }
        Some(url)
    }
}

/// Whether the authority is the origin's host and port, so that it hides nothing.
fn names(authority: &str, origin: &Origin) -> bool {
    let port = |rest: &str| rest.strip_prefix(':').is_some_and(|port| port.parse() == Ok(origin.port()));
    let rest = authority.strip_prefix(origin.host()).filter(|_| !origin.host().is_empty());
    rest.is_some_and(|rest| rest.is_empty() || port(rest))
}

/// Host and port. What stands where a port should may be a password: `http://user:password/path` has no host.
fn push_authority(url: &mut String, authority: &str) {
    let host_port = match authority.rsplit_once('@') {
        Some((_, host_port)) => {
            url.push_str("REDACTED:REDACTED@");
            host_port
        }
        None => authority,
    };
    match host_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') && port.parse::<u16>().is_err() => {
            url.push_str(host);
            url.push(':');
            url.push_str(REDACTED);
        }
        _ => url.push_str(host_port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_full_hides_user_info_and_what_is_no_port() {
        for (authority, expected) in [
            ("a.example", "a.example"),
            ("a.example:65535", "a.example:65535"),
            ("[::1]", "[::1]"),
            ("[::1]:80", "[::1]:80"),
            ("user:pw@[::1]:80", "REDACTED:REDACTED@[::1]:80"),
            ("admin:hunter2", "admin:REDACTED"),
            ("admin:123456", "admin:REDACTED"),
            ("user@admin:hunter2", "REDACTED:REDACTED@admin:REDACTED"),
        ] {
            let mut url = String::new();
            push_authority(&mut url, authority);
            assert_eq!(url, expected);
        }
    }
}
