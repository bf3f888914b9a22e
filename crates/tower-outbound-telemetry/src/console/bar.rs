//! One span of a waterfall.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::SpanId;

/// One span as a [`Waterfall`](super::Waterfall) draws it.
///
/// Its times count from any moment that the bars of one trace have in common; the Unix epoch will do.
#[derive(Clone, Debug)]
pub struct Bar {
    pub(super) id: SpanId,
    pub(super) parent: SpanId,
    pub(super) name: String,
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) service: Option<Arc<str>>,
    pub(super) failed: bool,
    pub(super) note: String,
}

impl Bar {
    /// A span that is part of no other.
    #[must_use]
    pub fn new(id: SpanId, name: impl Into<String>, start: Duration, end: Duration) -> Self {
        Self {
            id,
            parent: SpanId::INVALID,
            name: name.into(),
            start,
            end,
            service: None,
            failed: false,
            note: String::new(),
        }
    }

    /// The span that it is part of; where that one is not in the waterfall, it is drawn as a root.
    #[must_use]
    pub fn child_of(mut self, parent: SpanId) -> Self {
        self.parent = parent;
        self
    }

    /// Who made it; shown where it is another than the parent's.
    #[must_use]
    pub fn service(mut self, service: impl Into<Arc<str>>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Whether it failed; then its row has a `✗`.
    #[must_use]
    pub fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    /// A few words for the end of its row: a status, a kind of error.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// From start to end; zero if it ended before it started.
    pub(super) fn duration(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}
