//! Attempts whose spans are made on the export thread.

use std::sync::Arc;

use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceFlags};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SamplingDecision, ShouldSample, SpanData, SpanEvents, SpanLimits,
    SpanLinks,
};
use tower_outbound_otel::late::{AttemptSink, EndedAttempt, MadeSpan, Started};

use super::spans::{Item, SpanQueue};

/// Decides like the pipeline's tracer provider, and queues attempts as they are.
#[derive(Debug)]
pub(crate) struct AttemptQueue {
    queue: SpanQueue,
    sampler: Box<dyn ShouldSample>,
    ids: RandomIdGenerator,
}

impl AttemptQueue {
    /// The sampler is one of the specification's: it looks at the parent and the trace's id.
    pub(crate) fn new(queue: SpanQueue, sampler: Box<dyn ShouldSample>) -> Arc<Self> {
        Arc::new(Self { queue, sampler, ids: RandomIdGenerator::default() })
    }
}

impl AttemptSink for AttemptQueue {
    fn start(&self, parent: &Context) -> Started {
        if self.queue.is_closed() {
            return Started { context: SpanContext::NONE, is_recording: false };
        }
        let above = parent.span();
        let above = above.span_context();
        let (trace, flags) = match above.is_valid() {
            true => (above.trace_id(), above.trace_flags()),
            false => (self.ids.new_trace_id(), TraceFlags::default()),
        };
        let sampled = self.sampler.should_sample(Some(parent), trace, "", &SpanKind::Client, &[], &[]);
        let flags = match sampled.decision {
            SamplingDecision::RecordAndSample => flags.with_sampled(true),
            SamplingDecision::RecordOnly => flags.with_sampled(false),
            SamplingDecision::Drop => TraceFlags::default(),
        };
        let context = SpanContext::new(trace, self.ids.new_span_id(), flags, false, sampled.trace_state);
        Started { context, is_recording: sampled.decision != SamplingDecision::Drop }
    }

    fn end(&self, attempt: EndedAttempt) {
        self.queue.queue(Item::Attempt(attempt));
    }
}

/// Makes the spans of attempts as the pipeline's tracer would.
#[derive(Debug)]
pub(super) struct SpanMaker {
    ids: RandomIdGenerator,
    limits: SpanLimits,
    scope: InstrumentationScope,
}

impl SpanMaker {
    pub(super) fn new(limits: SpanLimits) -> Self {
        Self { ids: RandomIdGenerator::default(), limits, scope: tower_outbound_otel::scope() }
    }

    pub(super) fn make(&self, attempt: EndedAttempt, mut take: impl FnMut(SpanData)) {
        attempt.make(|| self.ids.new_span_id(), |span| take(self.data(span)));
    }

    fn data(&self, made: MadeSpan) -> SpanData {
        let limits = &self.limits;
        let (mut events, mut links) = (SpanEvents::default(), SpanLinks::default());
        let mut attributes = made.attributes;
        let dropped_attributes_count = cut(&mut attributes, limits.max_attributes_per_span);
        events.events = made.events;
        events.dropped_count = cut(&mut events.events, limits.max_events_per_span);
        for event in &mut events.events {
            event.dropped_attributes_count = cut(&mut event.attributes, limits.max_attributes_per_event);
        }
        links.links.extend(made.link.map(Link::with_context));
        links.dropped_count = cut(&mut links.links, limits.max_links_per_span);
        SpanData {
            span_context: made.context,
            parent_span_id: made.parent,
            parent_span_is_remote: made.parent_is_remote,
            span_kind: made.kind,
            name: made.name,
            start_time: made.start,
            end_time: made.end,
            attributes,
            dropped_attributes_count,
            events,
            links,
            status: made.status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Keeps the first items up to a limit, and returns how many there were above it.
fn cut<T>(items: &mut Vec<T>, limit: u32) -> u32 {
    let dropped = items.len().saturating_sub(limit as usize);
    items.truncate(limit as usize);
    dropped as u32
}
