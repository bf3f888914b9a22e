//! Spans that are made after the attempt has ended, by the pipeline that exports them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Context, KeyValue};
use tokio::time::Instant;
use tower_outbound::event::ObserverKey;
use tower_outbound::{Attempt, Connection, Outcome};

use super::attempt::AttemptState;
use super::attempt_attributes::{end_attributes, push_start_attributes};
use super::attempt_phases::{phase_attributes, phase_event, phase_failure, phase_name};
use super::setup::SetupState;
use crate::ended::Ended;
use crate::options::Options;
use crate::phases::PhaseSpans;
use crate::semconv::outbound as o;

/// Makes the spans of attempts instead of a tracer. The observer only decides and propagates while the request runs.
///
/// For the pipeline of `tower-outbound-telemetry`: it may change in any release.
pub trait AttemptSink: fmt::Debug + Send + Sync {
    /// The identity of a new span below this context, as the sink's tracer would give it.
    fn start(&self, parent: &Context) -> Started;
    /// Takes an attempt whose spans are to be exported.
    fn end(&self, attempt: EndedAttempt);
}

/// A span that has started.
#[derive(Debug)]
pub struct Started {
    /// Its identity. Not valid after the end of the pipeline.
    pub context: SpanContext,
    /// Whether it has spans.
    pub is_recording: bool,
}

/// What an observer has in common with the attempts whose spans are made later.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Arc<Options>,
    pub(crate) attempts: ObserverKey<AttemptState>,
    pub(crate) setups: ObserverKey<SetupState>,
}

/// An attempt that has ended, with what is known of its spans by then.
#[derive(Debug)]
pub struct EndedAttempt {
    pub(super) shared: Arc<Shared>,
    pub(super) attempt: Attempt,
    /// `None` for [`Outcome::Ok`].
    pub(super) outcome: Option<Box<Outcome>>,
    pub(super) end: Instant,
    /// Of the headers that the options name.
    pub(super) attributes: Vec<KeyValue>,
    /// The setup of its connection.
    pub(super) link: Option<SpanContext>,
    pub(super) kept: Option<&'static str>,
    /// The phases are events.
    pub(super) as_events: bool,
    /// Those that have a span or an event.
    pub(super) phases: PhaseSpans,
}

/// A span as it is exported. Times are nanoseconds of Unix time.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are those of a span")]
pub struct MadeSpan<'a> {
    /// That of the attempt, whose trace, flags and state it has.
    pub attempt: &'a SpanContext,
    pub id: SpanId,
    pub parent: SpanId,
    pub parent_is_remote: bool,
    pub kind: SpanKind,
    pub name: Cow<'static, str>,
    pub start: u64,
    pub end: u64,
    /// May be taken.
    pub attributes: &'a mut Vec<KeyValue>,
    pub events: Vec<Event>,
    pub link: Option<&'a SpanContext>,
    pub status: Status,
}

fn after(begun: u64, time: Duration) -> u64 {
    begun.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

impl EndedAttempt {
    /// How many spans it has.
    #[must_use]
    pub fn spans(&self) -> usize {
        if self.as_events { 1 } else { 1 + self.phases.iter().flatten().count() }
    }

    /// Makes its spans: those of the phases first, as a tracer would end them. The attributes of each are in `scratch`.
    pub fn make(
        &self,
        scratch: &mut Vec<KeyValue>,
        mut new_id: impl FnMut() -> SpanId,
        mut take: impl FnMut(MadeSpan<'_>),
    ) {
        let Self { shared, attempt, phases, kept, .. } = self;
        let Some(state) = attempt.observer_state(&shared.attempts) else { return };
        let context = state.span_context();
        let ended = Ended::new(attempt, self.outcome.as_deref().unwrap_or(&Outcome::Ok), self.end);
        let at = state.clock.nanoseconds();
        let begun = at(attempt.start_time());
        let mut events = Vec::new();
        for phase in phases.iter().copied().flatten() {
            let (start, end) = (after(begun, phase.start), after(begun, phase.end));
            if self.as_events {
                let (name, attributes) = phase_event(&ended, phase);
                events.push(Event::new(name, UNIX_EPOCH + Duration::from_nanos(end), attributes, 0));
                continue;
            }
            scratch.clear();
            phase_attributes(&ended, phase, *kept, |attribute| scratch.push(attribute));
            let failed = phase_failure(&ended, phase).is_some();
            take(MadeSpan {
                attempt: context,
                id: new_id(),
                parent: context.span_id(),
                parent_is_remote: false,
                kind: SpanKind::Internal,
                name: phase_name(&ended, phase.phase),
                // As `Clock::of`.
                start: start.min(end.saturating_sub(1)),
                end,
                attributes: scratch,
                events: Vec::new(),
                link: None,
                status: if failed { ended.error_status() } else { Status::Unset },
            });
        }
        self.make_own(scratch, state, &ended, [begun, at(self.end)], events, take);
    }

    /// Makes the attempt's own span.
    fn make_own(
        &self,
        scratch: &mut Vec<KeyValue>,
        state: &AttemptState,
        ended: &Ended<'_>,
        [start, end]: [u64; 2],
        events: Vec<Event>,
        mut take: impl FnMut(MadeSpan<'_>),
    ) {
        let Some(late) = &state.late else { return };
        let (shared, attempt, options) = (&*self.shared, &self.attempt, &*self.shared.options);
        let connection = attempt.connection();
        let setup = connection.as_ref().map(Connection::setup);
        let setup = setup.and_then(|setup| setup.observer_state(&shared.setups));
        scratch.clear();
        push_start_attributes(scratch, attempt, &late.uri, state.method, state.rpc.as_ref(), options);
        if !self.attributes.is_empty() {
            scratch.extend(self.attributes.iter().cloned());
        }
        if let Some(reason) = self.kept {
            scratch.push(KeyValue::new(o::KEPT, reason));
        }
        end_attributes(ended, setup, |attribute| scratch.push(attribute));
        scratch.extend(options.opt_in.at_end(attempt));
        let context = state.span_context();
        take(MadeSpan {
            attempt: context,
            id: context.span_id(),
            parent: late.parent,
            parent_is_remote: late.parent_is_remote,
            kind: SpanKind::Client,
            name: state.name(options, attempt.template()),
            start,
            end,
            attributes: scratch,
            events,
            link: self.link.as_ref(),
            status: if ended.error_type().is_some() { ended.error_status() } else { Status::Unset },
        });
    }
}
