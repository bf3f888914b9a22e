//! Lets attempts that may be kept be recorded.

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample, SpanData};
use tower_outbound_otel::keep::{KEPT, MayBeKept};

/// Records spans that may be kept without sampling them: the propagated flag is the inner sampler's.
#[derive(Clone, Debug)]
pub(crate) struct KeepingSampler(pub(super) Sampler);

impl ShouldSample for KeepingSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.0.should_sample(parent, trace_id, name, kind, attributes, links);
        let may_be_kept = parent.is_some_and(|parent| parent.get::<MayBeKept>().is_some());
        if may_be_kept && result.decision == SamplingDecision::Drop {
            result.decision = SamplingDecision::RecordOnly;
        }
        result
    }
}

/// Whether an ended span is exported.
pub(crate) fn is_exported(span: &SpanData) -> bool {
    span.span_context.is_sampled() || span.attributes.iter().any(|attribute| attribute.key.as_str() == KEPT)
}
