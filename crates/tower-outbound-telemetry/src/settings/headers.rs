//! Headers of OTLP requests.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::reader::Reader;

/// Replaces an invalid header name, which may be a secret.
const HIDDEN: &str = "…";

/// A parsed variable.
struct Parsed {
    headers: HeaderMap,
    names: Vec<String>,
    refused: bool,
}

impl Reader<'_> {
    /// The headers of the first variable that has any.
    pub(super) fn headers(&mut self, keys: &[&'static str]) -> HeaderMap {
        let mut refused = Vec::new();
        let mut used = HeaderMap::new();
        for key in keys {
            let Some(value) = self.value(key) else { continue };
            let parsed = Parsed::from(value.as_str());
            if parsed.refused {
                refused.push((*key, parsed.names.join(",")));
            }
            if !parsed.headers.is_empty() {
                used = parsed.headers;
                break;
            }
        }
        let names: Vec<_> = used.keys().map(HeaderName::as_str).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(",") };
        for (key, value) in refused {
            self.warn(key, &value, names.clone());
        }
        used
    }
}

impl From<&str> for Parsed {
    fn from(list: &str) -> Self {
        let mut parsed = Self { headers: HeaderMap::new(), names: Vec::new(), refused: false };
        let entries = list.split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            let (name, value) = (name.trim(), value.trim());
            // `name=` may be a secret in base64.
            let name = HeaderName::try_from(name).ok().filter(|_| !value.trim_matches('=').is_empty());
            parsed.names.push(name.as_ref().map_or(HIDDEN, HeaderName::as_str).to_owned());
            let value = HeaderValue::from_bytes(&percent_decode_str(value).collect::<Vec<_>>());
            let kept = name.zip(value.ok()).is_some_and(|(name, mut value)| {
                value.set_sensitive(true);
                parsed.headers.try_insert(name, value).is_ok()
            });
            parsed.refused |= !kept;
        }
        // Only commas.
        parsed.refused |= parsed.names.is_empty();
        parsed
    }
}

#[cfg(test)]
mod tests;
