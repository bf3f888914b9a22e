//! A received span.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1 as proto;
use proto::span::{Link, SpanKind};

use super::text;

/// A received span, with the names of its resource and its scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The resource's `service.name`, or the empty string.
    pub resource_service: String,
    /// The name of the instrumentation scope.
    pub scope: String,
    /// The span itself.
    pub span: proto::Span,
}

impl Span {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.span.name
    }

    /// The attribute `key` as text.
    #[must_use]
    pub fn attr(&self, key: &str) -> Option<String> {
        text::attribute(&self.span.attributes, key)
    }

    /// All attributes as text.
    #[must_use]
    pub fn attrs(&self) -> BTreeMap<String, String> {
        text::attributes(&self.span.attributes)
    }

    /// The trace's id in hex.
    #[must_use]
    pub fn trace_id(&self) -> String {
        text::hex(&self.span.trace_id)
    }

    /// Its id in hex.
    #[must_use]
    pub fn span_id(&self) -> String {
        text::hex(&self.span.span_id)
    }

    /// The parent's id in hex, empty for a root.
    #[must_use]
    pub fn parent_span_id(&self) -> String {
        text::hex(&self.span.parent_span_id)
    }

    /// The `flags` field: the W3C trace flags are its lowest eight bits.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.span.flags
    }

    /// Whether the trace flag `sampled` is set.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags() & 1 == 1
    }

    /// The start, in nanoseconds of the Unix epoch.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.span.start_time_unix_nano
    }

    /// The end, in nanoseconds of the Unix epoch.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.span.end_time_unix_nano
    }

    /// The duration; zero if the end precedes the start.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end().saturating_sub(self.start()))
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    /// Its links.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.span.links
    }
}

/// The spans of one export request.
pub(super) fn flatten(resources: Vec<proto::ResourceSpans>) -> impl Iterator<Item = Span> {
    resources.into_iter().flat_map(|resource| {
        let resource_service = text::service(resource.resource.as_ref());
        resource.scope_spans.into_iter().flat_map(move |scoped| {
            let resource_service = resource_service.clone();
            let scope = scoped.scope.map(|scope| scope.name).unwrap_or_default();
            scoped.spans.into_iter().map(move |span| Span {
                resource_service: resource_service.clone(),
                scope: scope.clone(),
                span,
            })
        })
    })
}
