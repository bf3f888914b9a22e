//! The phases of an attempt, as child spans or events.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::global::{BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Span, SpanKind, Tracer};
use opentelemetry::{Context, KeyValue};
use tower_outbound::{Kind, Phase};

use super::clock::Clock;
use crate::ended::Ended;
use crate::phases::{PhaseSpan, phases};
use crate::semconv::{attribute as a, outbound as o};

/// Shorter phases have no span where nothing is known of a wait: `outbound.head`, since the head comes with its first
/// byte; the wait for a connection that is not tracked, since one may have been at hand.
const SHORT: Duration = Duration::from_millis(1);

pub(super) fn phase_spans(
    tracer: &BoxedTracer,
    clock: Clock,
    parent: &Context,
    ended: &Ended<'_>,
    kept: Option<&'static str>,
) {
    for span in phases(ended) {
        let Some(name) = phase_name(ended, span) else { continue };
        let failure = ended.failure.filter(|_| span.cut);
        let error = failure.map(|failure| KeyValue::new(a::ERROR_TYPE, failure.kind().as_str()));
        let kept = kept.map(|reason| KeyValue::new(o::KEPT, reason));
        let bound = bound(ended, span.phase).map(|bound| KeyValue::new(o::BOUND, bound));
        let (start, end) = clock.of(span.start, span.end);
        let mut builder = tracer.span_builder(name).with_kind(SpanKind::Internal).with_start_time(start);
        if error.is_some() || kept.is_some() || bound.is_some() {
            builder = builder.with_attributes(error.into_iter().chain(kept).chain(bound));
        }
        let mut child = tracer.build_with_context(builder, parent);
        if failure.is_some() {
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

pub(super) fn phase_events(parent: &mut BoxedSpan, clock: Clock, ended: &Ended<'_>) {
    for span in phases(ended) {
        let Some(name) = phase_name(ended, span) else { continue };
        let attributes = vec![KeyValue::new(o::PHASE_DURATION, span.duration().as_secs_f64())];
        parent.add_event_with_timestamp(name, clock.at(span.end), attributes);
    }
}

/// `None` for a phase without a span.
fn phase_name(ended: &Ended<'_>, span: PhaseSpan) -> Option<Cow<'static, str>> {
    let short = span.duration() <= SHORT;
    Some(match span.phase {
        Phase::Queue => {
            let refused = ended.failure.is_some_and(|failure| failure.kind() == Kind::QueueFull);
            // The attempt did not wait: a slot was free, or the queue was full.
            if span.start == span.end || refused {
                return None;
            }
            "outbound.queue".into()
        }
        Phase::Acquire => {
            let waited = match ended.attempt.usage() {
                Some(usage) => usage.ready_at() > span.start,
                None => span.cut || !short,
            };
            if !waited {
                return None;
            }
            format!("HTTP wait_for_connection {}", ended.attempt.origin().authority()).into()
        }
        Phase::Send => "outbound.send".into(),
        Phase::Wait => "outbound.wait".into(),
        Phase::Head if short => return None,
        Phase::Head => "outbound.head".into(),
        Phase::Body => "outbound.body".into(),
        _ => return None,
    })
}
