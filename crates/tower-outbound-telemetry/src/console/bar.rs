//! One span of a waterfall.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::SpanId;

/// A span in a [`Waterfall`](super::Waterfall).
///
/// Times count from a moment common to all bars of a trace, for example the Unix epoch.
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
    /// A root span.
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

    /// The parent span. If the waterfall does not contain the parent, the bar is drawn as a root.
    #[must_use]
    pub fn child_of(mut self, parent: SpanId) -> Self {
        self.parent = parent;
        self
    }

    /// The service, shown if different from the parent's.
    #[must_use]
    pub fn service(mut self, service: impl Into<Arc<str>>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Whether the span failed, shown as `✗`.
    #[must_use]
    pub fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    /// Text for the end of the row, for example the status.
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
