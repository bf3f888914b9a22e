//! Matches requests against lists of hosts.

use http::Uri;
use tower_outbound::Origin;

/// The scheme, host and port of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    scheme: &'a str,
    host: &'a str,
    port: u16,
}

impl<'a> From<&'a Origin> for Target<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self { scheme: origin.scheme(), host: origin.host(), port: origin.port() }
    }
}

impl<'a> From<&'a Uri> for Target<'a> {
    fn from(uri: &'a Uri) -> Self {
        let scheme = uri.scheme_str().unwrap_or("http");
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Self { scheme, host: uri.host().unwrap_or("").trim_matches(['[', ']']), port }
    }
}

impl Target<'_> {
    /// Whether a list of `host`, `host:port` and `scheme://host:port` contains the target.
    pub(crate) fn is_in(self, list: &[String]) -> bool {
        list.iter().any(|listed| {
            let rest = match listed.split_once("://") {
                Some((scheme, _)) if !scheme.eq_ignore_ascii_case(self.scheme) => return false,
                Some((_, rest)) => rest.trim_end_matches('/'),
                None => listed,
            };
            self.is_host(rest)
                || rest
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| self.is_host(host) && port.parse() == Ok(self.port))
        })
    }

    fn is_host(self, host: &str) -> bool {
        host.trim_matches(['[', ']']).eq_ignore_ascii_case(self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_list_matches_by_host_port_and_scheme() {
        let uri: Uri = "https://a.example:8443/x".parse().unwrap();
        let is_in = |listed: &str| Target::from(&uri).is_in(&[listed.to_owned()]);
        assert!(is_in("a.example") && is_in("A.Example:8443") && is_in("https://a.example:8443/"));
        assert!(!is_in("a.example:443") && !is_in("http://a.example:8443") && !is_in("b.a.example"));
        let six: Uri = "http://[::1]:80/".parse().unwrap();
        assert!(Target::from(&six).is_in(&["[::1]:80".to_owned()]));
        assert!(Target::from(&six).is_in(&["::1".to_owned()]));
    }
}
