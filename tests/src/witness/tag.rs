//! The header by which a peer knows the attempt that it reads.

use http::{HeaderMap, HeaderName, HeaderValue};

/// On a request, the number of its step; on the wire, that and the attempt's id.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-witness");

/// The attempt of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) step: usize,
    pub(super) attempt: u64,
}

impl Tag {
    /// Digits only, and never indexed on HTTP/2: so a peer finds it without the state of HPACK.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let Tag { step, attempt } = self;
        if let Ok(mut value) = HeaderValue::from_str(&format!("{step:05}{attempt}")) {
            value.set_sensitive(true);
            headers.insert(HEADER, value);
        }
    }

    pub(super) fn parse(text: &str) -> Option<Tag> {
        let (step, attempt) = text.trim().split_at_checked(5)?;
        Some(Tag { step: step.parse().ok()?, attempt: attempt.parse().ok()? })
    }

    /// That of a head of HTTP/1.
    pub(super) fn of_head(head: &[u8]) -> Option<Tag> {
        let head = String::from_utf8_lossy(head);
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case(HEADER.as_str()))?;
        Tag::parse(value)
    }

    /// The step of a request that has not become an attempt.
    pub(super) fn step_of(headers: &HeaderMap) -> Option<usize> {
        headers.get(HEADER)?.to_str().ok()?.get(..5)?.parse().ok()
    }
}
