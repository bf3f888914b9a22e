//! Path segments that `url.full` hides.

use tower_outbound::UrlTemplate;

use super::REDACTED;
use super::decode::percent_decoded;

/// Which parts of the path `url.full` hides.
///
/// A query value is hidden by [`RedactQuery`](crate::RedactQuery).
///
/// # Example
/// ```
/// use tower_outbound_otel::{OtelObserver, RedactPath};
///
/// // `https://hooks.example/services/T024/tok_9f8e` becomes `https://hooks.example/services/T024/REDACTED`.
/// let segments = RedactPath::Segments(vec!["tok_*".to_owned()]);
/// let observer = OtelObserver::builder().redact_path(segments).build();
/// # let _ = observer;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedactPath {
    /// The path is recorded as it is.
    Nothing,
    /// Segments that match one of these patterns become `REDACTED`. `*` stands for any text, also for none; everything
    /// else is compared case-sensitively with the percent-decoded segment.
    Segments(Vec<String>),
    /// The request's [`UrlTemplate`] replaces the path. Without a template, every segment becomes `REDACTED`.
    ToTemplate,
}

impl RedactPath {
    pub(super) fn push(&self, url: &mut String, path: &str, template: Option<&UrlTemplate>) {
        match (self, template) {
            (Self::Nothing, _) => url.push_str(path),
            (Self::ToTemplate, Some(template)) => {
                if !template.as_str().starts_with('/') {
                    url.push('/');
                }
                url.push_str(template.as_str());
            }
            (Self::ToTemplate, None) => push_segments(url, path, |segment| !segment.is_empty()),
            (Self::Segments(patterns), _) => push_segments(url, path, |segment| {
                let segment = percent_decoded(segment);
                patterns.iter().any(|pattern| matches(pattern.as_bytes(), &segment))
            }),
        }
    }
}

fn push_segments(url: &mut String, path: &str, hides: impl Fn(&str) -> bool) {
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            url.push('/');
        }
        url.push_str(if hides(segment) { REDACTED } else { segment });
    }
}

/// Whether the whole text matches. Each `*` takes the shortest text that lets the next literal match: linear per `*`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, read));
            }
            Some(literal) if *literal == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                // The last `*` takes one more byte.
                let Some((after, taken)) = retry else { return false };
                at = after;
                read = taken + 1;
                retry = Some((after, read));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(redact: &RedactPath, path: &str, template: Option<&UrlTemplate>) -> String {
        let mut url = String::new();
        redact.push(&mut url, path, template);
        url
    }

    #[test]
    fn redact_path_segments_hide_only_matching_segments() {
        let segments = RedactPath::Segments(["tok_*", "*.key", "s*c*t"].map(str::to_owned).to_vec());
        for (path, expected) in [
            ("/", "/"),
            ("/a/tok_", "/a/REDACTED"),
            ("/tok_1/tok", "/REDACTED/tok"),
            ("/t%6Fk_1/b", "/REDACTED/b"),
            ("/a.key/b.keys", "/REDACTED/b.keys"),
            ("/secret/sct/sc", "/REDACTED/REDACTED/sc"),
            ("/TOK_1", "/TOK_1"),
        ] {
            assert_eq!(redacted(&segments, path, None), expected, "{path}");
        }
        assert_eq!(redacted(&RedactPath::Nothing, "/tok_1", None), "/tok_1");
    }

    #[test]
    fn redact_path_to_template_hides_all_without_one() {
        let template = UrlTemplate::from_static("/users/{id}");
        assert_eq!(redacted(&RedactPath::ToTemplate, "/users/7", Some(&template)), "/users/{id}");
        assert_eq!(redacted(&RedactPath::ToTemplate, "/users/7/", None), "/REDACTED/REDACTED/");
    }
}
