//! `ExportTraceServiceRequest`: the spans of one resource, by scope.

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanLimits;
use tower_outbound_otel::late::MadeSpan;

use super::super::batch::{Batch, Item, SpanMaker, limited_events};
use super::attributes::pairs;
use super::span::View;
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
    items: Vec<&'a Item>,
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
    pub(in super::super) fn encode(&self, batch: &Batch, out: &mut Vec<u8>) {
        let spans: usize = batch.items.iter().map(Item::spans).sum();
        out.reserve(self.resource.len() + spans * SPAN_SIZE);
        let groups = groups(batch);
        Writer::new(out).message(1, BATCH, |writer| {
            writer.encoded(&self.resource);
            for group in groups {
                writer.message(2, BATCH, |writer| writer.group(&group, &batch.maker));
            }
            writer.encoded(&self.schema);
        });
    }
}

impl Writer<'_> {
    /// The fields of `ScopeSpans`.
    fn group(&mut self, Group { scope, items }: &Group<'_>, maker: &SpanMaker) {
        self.message(1, 1, |writer| {
            writer.text(1, scope.name());
            writer.text(2, scope.version().unwrap_or_default());
            writer.attributes(3, pairs(scope.attributes()));
        });
        let mut attributes = Vec::new();
        for item in items {
            match item {
                Item::Span(span) => self.message(2, SPAN, |writer| writer.span(&View::of(span))),
                Item::Attempt(attempt) => {
                    attempt.make(&mut attributes, || maker.new_id(), |span| self.made(span, &maker.limits));
                }
            }
        }
        self.text(3, scope.schema_url().unwrap_or_default());
    }

    fn made(&mut self, mut span: MadeSpan<'_>, limits: &SpanLimits) {
        let (events, dropped) = limited_events(std::mem::take(&mut span.events), limits);
        let view = View::of_made(&span, (&events, dropped), limits);
        self.message(2, SPAN, |writer| writer.span(&view));
    }
}

/// In the order of each scope's first span. A batch has few scopes, and mostly several spans of one in a row: they are
/// compared, not hashed.
fn groups(batch: &Batch) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut last = 0;
    for item in &batch.items {
        let scope = match item {
            Item::Span(span) => &span.instrumentation_scope,
            Item::Attempt(_) => &batch.maker.scope,
        };
        if !groups.get(last).is_some_and(|group| is_same(group.scope, scope)) {
            last = groups.iter().position(|group| is_same(group.scope, scope)).unwrap_or(groups.len());
        }
        match groups.get_mut(last) {
            Some(group) => group.items.push(item),
            None => {
                let mut first = Vec::with_capacity(if groups.is_empty() { batch.items.len() } else { 1 });
                first.push(item);
                groups.push(Group { scope, items: first });
            }
        }
    }
    groups
}

/// Clones of a scope with static names have the same names: no text is compared.
fn is_same(one: &InstrumentationScope, other: &InstrumentationScope) -> bool {
    if std::ptr::eq(one, other) {
        return true;
    }
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
