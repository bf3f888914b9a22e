//! The phases of an attempt, as child spans or events.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{Span, SpanKind, Tracer};
use opentelemetry::{Context, KeyValue};
use tower_outbound::{Failure, Kind, Phase};

use super::clock::Clock;
use crate::ended::Ended;
use crate::phases::{PhaseSpan, PhaseSpans, phases};
use crate::semconv::{attribute as a, outbound as o};

/// Shorter phases have no span where nothing is known of a wait: `outbound.head`, since the head comes with its first
/// byte; the wait for a connection that is not tracked, since one may have been at hand.
const SHORT: Duration = Duration::from_millis(1);

/// The phases that have a span.
pub(super) fn phases_with_span(ended: &Ended<'_>) -> PhaseSpans {
    let mut spans = PhaseSpans::default();
    let with_span = phases(ended).filter(|span| has_span(ended, *span));
    spans.iter_mut().zip(with_span).for_each(|(place, span)| *place = Some(span));
    spans
}

/// Passes on the attributes of a phase's span; mostly none.
pub(super) fn phase_attributes(
    ended: &Ended<'_>,
    span: PhaseSpan,
    kept: Option<&'static str>,
    mut put: impl FnMut(KeyValue),
) {
    if let Some(failure) = phase_failure(ended, span) {
        put(KeyValue::new(a::ERROR_TYPE, failure.kind().as_str()));
    }
    if let Some(reason) = kept {
        put(KeyValue::new(o::KEPT, reason));
    }
    if let Some(bound) = bound(ended, span.phase) {
        put(KeyValue::new(o::BOUND, bound));
    }
}

/// The attempt's failure, if it failed in this phase.
pub(super) fn phase_failure<'a>(ended: &Ended<'a>, span: PhaseSpan) -> Option<&'a Failure> {
    ended.failure.filter(|_| span.cut)
}

pub(super) fn phase_spans(
    tracer: &BoxedTracer,
    clock: Clock,
    parent: &Context,
    ended: &Ended<'_>,
    kept: Option<&'static str>,
) {
    for span in phases_with_span(ended).into_iter().flatten() {
        let begun = ended.attempt.start_time();
        let (start, end) = clock.of(begun + span.start, begun + span.end);
        let name = phase_name(ended, span.phase);
        let mut builder = tracer.span_builder(name).with_kind(SpanKind::Internal).with_start_time(start);
        let mut attributes = Vec::new();
        phase_attributes(ended, span, kept, |attribute| attributes.push(attribute));
        if !attributes.is_empty() {
            builder = builder.with_attributes(attributes);
        }
        let mut child = tracer.build_with_context(builder, parent);
        if phase_failure(ended, span).is_some() {
            child.set_status(ended.error_status());
        }
        child.end_with_timestamp(end);
    }
}

/// Which bound the duration of the phase is; `None` if it is exact. The system may keep the last bytes of a large upload.
fn bound(ended: &Ended<'_>, phase: Phase) -> Option<&'static str> {
    let bound = match phase {
        Phase::Send => "lower",
        Phase::Wait => "upper",
        _ => return None,
    };
    ended.attempt.timings().sent_is_lower_bound().then_some(bound)
}

/// The name of a phase's event, and its attributes.
pub(super) fn phase_event(ended: &Ended<'_>, span: PhaseSpan) -> (Cow<'static, str>, Vec<KeyValue>) {
    let attributes = vec![KeyValue::new(o::PHASE_DURATION, span.duration().as_secs_f64())];
    (phase_name(ended, span.phase), attributes)
}

/// Whether the phase has a span.
fn has_span(ended: &Ended<'_>, span: PhaseSpan) -> bool {
    let short = || span.duration() <= SHORT;
    match span.phase {
        Phase::Queue => {
            let refused = || ended.failure.is_some_and(|failure| failure.kind() == Kind::QueueFull);
            // Without a wait, a slot was free, or the queue was full.
            span.start != span.end && !refused()
        }
        Phase::Acquire => match ended.attempt.usage() {
            Some(usage) => usage.ready_at() > ended.attempt.start_time() + span.start,
            None => span.cut || !short(),
        },
        Phase::Head => !short(),
        _ => true,
    }
}

pub(super) fn phase_name(ended: &Ended<'_>, phase: Phase) -> Cow<'static, str> {
    match phase {
        Phase::Acquire => format!("HTTP wait_for_connection {}", ended.attempt.origin().authority()).into(),
        Phase::Queue => "outbound.queue".into(),
        Phase::Send => "outbound.send".into(),
        Phase::Wait => "outbound.wait".into(),
        Phase::Head => "outbound.head".into(),
        _ => "outbound.body".into(),
    }
}
