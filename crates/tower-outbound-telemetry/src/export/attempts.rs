//! Attempts whose spans are made on the export thread.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt, TraceFlags};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SamplingDecision, ShouldSample};
use tower_outbound_otel::late::{AttemptSink, EndedAttempt, Started};

use super::batch::Item;
use super::spans::SpanQueue;

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
