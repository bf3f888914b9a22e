//! A batch of spans, of which those of attempts are not made yet.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLimits, SpanLinks};
use tower_outbound_otel::late::{EndedAttempt, MadeSpan};

/// What the queue holds.
#[derive(Debug)]
pub(super) enum Item {
    Span(SpanData),
    /// Its spans are not made yet.
    Attempt(EndedAttempt),
}

impl Item {
    pub(super) fn spans(&self) -> usize {
        match self {
            Self::Span(_) => 1,
            Self::Attempt(attempt) => attempt.spans(),
        }
    }
}

/// What one export sends.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) items: Vec<Item>,
    pub(super) maker: Arc<SpanMaker>,
}

impl Batch {
    /// The spans, made.
    pub(super) fn into_spans(self) -> Vec<SpanData> {
        let mut spans = Vec::with_capacity(self.items.iter().map(Item::spans).sum());
        for item in self.items {
            match item {
                Item::Span(span) => spans.push(span),
                Item::Attempt(attempt) => self.maker.make(&attempt, |span| spans.push(span)),
            }
        }
        spans
    }
}

/// Makes the spans of attempts as the pipeline's tracer would.
#[derive(Debug)]
pub(super) struct SpanMaker {
    ids: RandomIdGenerator,
    pub(super) limits: SpanLimits,
    pub(super) scope: InstrumentationScope,
}

impl SpanMaker {
    pub(super) fn new(limits: SpanLimits) -> Self {
        Self { ids: RandomIdGenerator::default(), limits, scope: tower_outbound_otel::scope() }
    }

    pub(super) fn new_id(&self) -> SpanId {
        self.ids.new_span_id()
    }

    pub(super) fn make(&self, attempt: &EndedAttempt, mut take: impl FnMut(SpanData)) {
        let mut attributes = Vec::new();
        attempt.make(&mut attributes, || self.new_id(), |span| take(self.data(span)));
    }

    fn data(&self, made: MadeSpan<'_>) -> SpanData {
        let (limits, of) = (&self.limits, made.attempt);
        let (mut events, mut links) = (SpanEvents::default(), SpanLinks::default());
        let mut attributes = std::mem::take(made.attributes);
        let dropped_attributes_count = cut(&mut attributes, limits.max_attributes_per_span);
        (events.events, events.dropped_count) = limited_events(made.events, limits);
        links.links.extend(made.link.cloned().map(Link::with_context));
        links.dropped_count = cut(&mut links.links, limits.max_links_per_span);
        let state = of.trace_state().clone();
        SpanData {
            span_context: SpanContext::new(of.trace_id(), made.id, of.trace_flags(), false, state),
            parent_span_id: made.parent,
            parent_span_is_remote: made.parent_is_remote,
            span_kind: made.kind,
            name: made.name,
            start_time: UNIX_EPOCH + Duration::from_nanos(made.start),
            end_time: UNIX_EPOCH + Duration::from_nanos(made.end),
            attributes,
            dropped_attributes_count,
            events,
            links,
            status: made.status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// The first events, and how many there were above the limit.
pub(super) fn limited_events(mut events: Vec<Event>, limits: &SpanLimits) -> (Vec<Event>, u32) {
    if events.is_empty() {
        return (events, 0);
    }
    let dropped = cut(&mut events, limits.max_events_per_span);
    for event in &mut events {
        event.dropped_attributes_count = cut(&mut event.attributes, limits.max_attributes_per_event);
    }
    (events, dropped)
}

/// The first attributes, and how many there were above the limit.
pub(super) fn limited(attributes: &[KeyValue], limit: u32) -> (&[KeyValue], u32) {
    let kept = attributes.len().min(limit as usize);
    (&attributes[..kept], (attributes.len() - kept) as u32)
}

/// Keeps the first items up to a limit, and returns how many there were above it.
fn cut<T>(items: &mut Vec<T>, limit: u32) -> u32 {
    let dropped = items.len().saturating_sub(limit as usize);
    items.truncate(limit as usize);
    dropped as u32
}
