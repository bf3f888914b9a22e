//! `ExportTraceServiceRequest`: the spans of one resource, by scope.

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use super::attributes::pairs;
use super::writer::Writer;

/// The bytes of lengths: of a batch from 16 KiB to 2 MiB, and of a span from 128 bytes to 16 KiB.
const BATCH: usize = 3;
const SPAN: usize = 2;
/// The usual size of a span, rounded up: room for a batch is allocated once.
const SPAN_SIZE: usize = 320;

/// Encodes batches of spans.
#[derive(Debug, Default)]
pub(in super::super) struct Encoder {
    /// The fields of `ResourceSpans` before the spans and after them.
    resource: Vec<u8>,
    schema: Vec<u8>,
}

/// The spans of a scope, in their order.
struct Group<'a> {
    scope: &'a InstrumentationScope,
    spans: Vec<&'a SpanData>,
}

impl Encoder {
    pub(in super::super) fn new(resource: &Resource) -> Self {
        let mut encoder = Self::default();
        let attributes = resource.iter().map(|(key, value)| (key.as_str(), value));
        Writer::new(&mut encoder.resource).message(1, 2, |writer| writer.attributes(1, attributes));
        Writer::new(&mut encoder.schema).text(3, resource.schema_url().unwrap_or_default());
        encoder
    }

    /// Appends the request.
    pub(in super::super) fn encode(&self, spans: &[SpanData], out: &mut Vec<u8>) {
        out.reserve(self.resource.len() + spans.len() * SPAN_SIZE);
        Writer::new(out).message(1, BATCH, |writer| {
            writer.encoded(&self.resource);
            for group in groups(spans) {
                writer.message(2, BATCH, |writer| writer.group(&group));
            }
            writer.encoded(&self.schema);
        });
    }
}

impl Writer<'_> {
    /// The fields of `ScopeSpans`.
    fn group(&mut self, Group { scope, spans }: &Group<'_>) {
        self.message(1, 1, |writer| {
            writer.text(1, scope.name());
            writer.text(2, scope.version().unwrap_or_default());
            writer.attributes(3, pairs(scope.attributes()));
        });
        for span in spans {
            self.message(2, SPAN, |writer| writer.span(span));
        }
        self.text(3, scope.schema_url().unwrap_or_default());
    }
}

/// In the order of each scope's first span. A batch has few scopes, and mostly several spans of one in a row: they are
/// compared, not hashed.
fn groups(spans: &[SpanData]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut last = 0;
    for span in spans {
        let scope = &span.instrumentation_scope;
        if !groups.get(last).is_some_and(|group| is_same(group.scope, scope)) {
            last = groups.iter().position(|group| is_same(group.scope, scope)).unwrap_or(groups.len());
        }
        match groups.get_mut(last) {
            Some(group) => group.spans.push(span),
            None => {
                let mut first = Vec::with_capacity(if groups.is_empty() { spans.len() } else { 1 });
                first.push(span);
                groups.push(Group { scope, spans: first });
            }
        }
    }
    groups
}

/// Clones of a scope with static names have the same names: no text is compared.
fn is_same(one: &InstrumentationScope, other: &InstrumentationScope) -> bool {
    let is_clone = std::ptr::eq(one.name(), other.name())
        && is_same_text(one.version(), other.version())
        && is_same_text(one.schema_url(), other.schema_url())
        && one.attributes().next().is_none()
        && other.attributes().next().is_none();
    is_clone || one == other
}

fn is_same_text(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
