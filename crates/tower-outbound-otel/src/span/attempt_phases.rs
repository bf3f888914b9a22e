//! The phases of an attempt, as child spans or events.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{Span, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use tower_outbound::{Kind, Phase};

use super::clock::Clock;
use crate::ended::Ended;
use crate::phases::{PhaseSpan, phases};
use crate::semconv::{attribute as a, outbound as o};

/// Shorter phases have no span where nothing is known of a wait: `outbound.head`, since the head comes with its first
/// byte; the wait for a connection that is not tracked, since one may have been at hand.
const SHORT: Duration = Duration::from_millis(1);

/// A phase's span, without its identity.
pub(super) struct PhaseChild {
    pub(super) name: Cow<'static, str>,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    /// Mostly none.
    pub(super) attributes: Vec<KeyValue>,
    /// `None` if the attempt did not fail in this phase.
    pub(super) error: Option<Status>,
}

/// How many of an attempt's phases have a span.
pub(super) fn phase_count(ended: &Ended<'_>) -> usize {
    phases(ended).filter(|span| has_span(ended, *span)).count()
}

pub(super) fn phase_children(
    clock: Clock,
    ended: &Ended<'_>,
    kept: Option<&'static str>,
) -> impl Iterator<Item = PhaseChild> {
    phases(ended).filter(|span| has_span(ended, *span)).map(move |span| {
        let failure = ended.failure.filter(|_| span.cut);
        let error = failure.map(|failure| KeyValue::new(a::ERROR_TYPE, failure.kind().as_str()));
        let kept = kept.map(|reason| KeyValue::new(o::KEPT, reason));
        let bound = bound(ended, span.phase).map(|bound| KeyValue::new(o::BOUND, bound));
        let (start, end) = clock.of(span.start, span.end);
        PhaseChild {
            name: phase_name(ended, span.phase),
            start,
            end,
            attributes: error.into_iter().chain(kept).chain(bound).collect(),
            error: failure.map(|_| ended.error_status()),
        }
    })
}

pub(super) fn phase_spans(
    tracer: &BoxedTracer,
    clock: Clock,
    parent: &Context,
    ended: &Ended<'_>,
    kept: Option<&'static str>,
) {
    for child in phase_children(clock, ended, kept) {
        let mut builder =
            tracer.span_builder(child.name).with_kind(SpanKind::Internal).with_start_time(child.start);
        if !child.attributes.is_empty() {
            builder = builder.with_attributes(child.attributes);
        }
        let mut span = tracer.build_with_context(builder, parent);
        if let Some(error) = child.error {
            span.set_status(error);
        }
        span.end_with_timestamp(child.end);
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

/// The name, the time and the attributes of an event for each phase.
pub(super) fn phase_events(
    clock: Clock,
    ended: &Ended<'_>,
) -> impl Iterator<Item = (Cow<'static, str>, SystemTime, Vec<KeyValue>)> {
    phases(ended).filter(|span| has_span(ended, *span)).map(move |span| {
        let attributes = vec![KeyValue::new(o::PHASE_DURATION, span.duration().as_secs_f64())];
        (phase_name(ended, span.phase), clock.at(span.end), attributes)
    })
}

/// Whether the phase has a span.
fn has_span(ended: &Ended<'_>, span: PhaseSpan) -> bool {
    let short = span.duration() <= SHORT;
    match span.phase {
        Phase::Queue => {
            let refused = ended.failure.is_some_and(|failure| failure.kind() == Kind::QueueFull);
            // Without a wait, a slot was free, or the queue was full.
            span.start != span.end && !refused
        }
        Phase::Acquire => match ended.attempt.usage() {
            Some(usage) => usage.ready_at() > span.start,
            None => span.cut || !short,
        },
        Phase::Head => !short,
        _ => true,
    }
}

fn phase_name(ended: &Ended<'_>, phase: Phase) -> Cow<'static, str> {
    match phase {
        Phase::Acquire => format!("HTTP wait_for_connection {}", ended.attempt.origin().authority()).into(),
        Phase::Queue => "outbound.queue".into(),
        Phase::Send => "outbound.send".into(),
        Phase::Wait => "outbound.wait".into(),
        Phase::Head => "outbound.head".into(),
        _ => "outbound.body".into(),
    }
}
