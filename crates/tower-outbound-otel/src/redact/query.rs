//! Query values that `url.full` hides.

use super::REDACTED;
use super::decode::percent_decoded;

/// The convention's sensitive query keys, the union of all its releases, and the usual keys of tokens.
const SENSITIVE: [&str; 13] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
    "access_token",
    "api_key",
    "client_secret",
    "code",
    "password",
    "token",
];

/// Which query values `url.full` hides, as `REDACTED`.
///
/// Keys are case-sensitive. User and password are always hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedactQuery {
    /// The values of the convention's sensitive keys: `AWSAccessKeyId`, `Signature`, `X-Amz-Credential`,
    /// `X-Amz-Security-Token`, `X-Amz-Signature`, `X-Goog-Signature` and `sig`. And those of `access_token`, `api_key`,
    /// `client_secret`, `code`, `password` and `token`.
    Sensitive,
    /// The values of these keys only.
    Keys(Vec<String>),
    /// All values.
    All,
}

impl RedactQuery {
    fn hides(&self, key: &str) -> bool {
        let key = percent_decoded(key);
        match self {
            Self::Sensitive => SENSITIVE.iter().any(|sensitive| key == sensitive.as_bytes()),
            Self::Keys(keys) => keys.iter().any(|sensitive| key == sensitive.as_bytes()),
            Self::All => true,
        }
    }

    pub(super) fn push(&self, url: &mut String, query: &str) {
        for (at, part) in query.split('&').enumerate() {
            if at > 0 {
                url.push('&');
            }
            match part.split_once('=') {
                Some((key, _)) if self.hides(key) => {
                    url.push_str(key);
                    url.push('=');
                    url.push_str(REDACTED);
                }
                // A part without a key is a value.
                None if *self == Self::All && !part.is_empty() => url.push_str(REDACTED),
                _ => url.push_str(part),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(query: &str, redact: &RedactQuery) -> String {
        let mut url = String::new();
        redact.push(&mut url, query);
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
