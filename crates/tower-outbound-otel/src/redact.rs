//! `url.full` without secrets.

use http::Uri;
use tower_outbound::Origin;

pub(crate) const REDACTED: &str = "REDACTED";

/// The convention's sensitive query keys: the union of all its releases.
const SENSITIVE: [&str; 7] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
];

/// Which query values `url.full` hides, as `REDACTED`.
///
/// Keys are case-sensitive. User and password are always hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedactQuery {
    /// The values of the convention's sensitive keys: `AWSAccessKeyId`, `Signature`, `X-Amz-Credential`,
    /// `X-Amz-Security-Token`, `X-Amz-Signature`, `X-Goog-Signature` and `sig`.
    Sensitive,
    /// The values of these keys; the convention's are not added.
    Keys(Vec<String>),
    /// All values.
    All,
}

impl RedactQuery {
    fn hides(&self, key: &str) -> bool {
        let key = decoded(key);
        match self {
            Self::Sensitive => SENSITIVE.iter().any(|sensitive| key == sensitive.as_bytes()),
            Self::Keys(keys) => keys.iter().any(|sensitive| key == sensitive.as_bytes()),
            Self::All => true,
        }
    }
}

/// The absolute URL. A URI without a host gets the origin's.
pub(crate) fn url_full(uri: &Uri, origin: &Origin, redact: &RedactQuery) -> String {
    // Exact if nothing is hidden: the attribute then takes the string without a copy.
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let query = uri.query().map_or(0, |query| query.len() + "?".len());
    let mut url = String::with_capacity(scheme + authority + uri.path().len() + query);
    match uri.authority() {
        Some(authority) => {
            url.push_str(uri.scheme_str().unwrap_or_else(|| origin.scheme()));
            url.push_str("://");
            match authority.as_str().rsplit_once('@') {
                Some((_, host)) => {
                    url.push_str("REDACTED:REDACTED@");
                    url.push_str(host);
                }
                None => url.push_str(authority.as_str()),
            }
        }
        None if origin.host().is_empty() => {}
        None => url.push_str(&origin.to_string()),
    }
    url.push_str(uri.path());
    if let Some(query) = uri.query() {
        url.push('?');
        push_query(&mut url, query, redact);
    }
    url
}

fn push_query(url: &mut String, query: &str, redact: &RedactQuery) {
    for (at, part) in query.split('&').enumerate() {
        if at > 0 {
            url.push('&');
        }
        match part.split_once('=') {
            Some((key, _)) if redact.hides(key) => {
                url.push_str(key);
                url.push('=');
                url.push_str(REDACTED);
            }
            // A part without a key is a value.
            None if *redact == RedactQuery::All && !part.is_empty() => url.push_str(REDACTED),
            _ => url.push_str(part),
        }
    }
}

/// Percent-decodes a key: a server reads `s%69g` as `sig`.
fn decoded(key: &str) -> std::borrow::Cow<'_, [u8]> {
    if !key.contains('%') {
        return key.as_bytes().into();
    }
    let mut bytes = key.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        let escaped = match (first, rest) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                bytes = &rest[2..];
            }
            None => {
                decoded.push(*first);
                bytes = rest;
            }
        }
    }
    decoded.into()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(query: &str, redact: &RedactQuery) -> String {
        let mut url = String::new();
        push_query(&mut url, query, redact);
        url
    }

    #[test]
    fn redact_sensitive_keys_hides_their_values() {
        for key in SENSITIVE {
            let hidden = redacted(&format!("a=1&{key}=marker=x&b"), &RedactQuery::Sensitive);
            assert_eq!(hidden, format!("a=1&{key}=REDACTED&b"));
        }
    }

    #[test]
    fn redact_keys_compared_case_sensitive_and_percent_decoded() {
        assert_eq!(redacted("SIG=1&signature=2", &RedactQuery::Sensitive), "SIG=1&signature=2");
        assert_eq!(redacted("s%69g=marker", &RedactQuery::Sensitive), "s%69g=REDACTED");
        assert_eq!(redacted("%=1&%zz=2&sig%=3", &RedactQuery::Sensitive), "%=1&%zz=2&sig%=3");
    }

    #[test]
    fn redact_keys_list_replaces_default_and_all_hides_values() {
        let keys = RedactQuery::Keys(vec!["token".into()]);
        assert_eq!(redacted("token=marker&sig=1", &keys), "token=REDACTED&sig=1");
        assert_eq!(
            redacted("a=1&b=&c&&d=e", &RedactQuery::All),
            "a=REDACTED&b=REDACTED&REDACTED&&d=REDACTED"
        );
    }
}
