//! Spans that are made after the attempt has ended, by the pipeline that exports them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Context, KeyValue};
use tokio::time::Instant;
use tower_outbound::event::ObserverKey;
use tower_outbound::{Attempt, Connection, Outcome};

use super::attempt::AttemptState;
use super::attempt_attributes::{end_attributes, start_attributes};
use super::attempt_phases::{phase_children, phase_events};
use super::setup::SetupState;
use crate::ended::Ended;
use crate::options::{Options, Phases};
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
    pub(super) phases: usize,
}

/// A span as it is exported.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are those of a span")]
pub struct MadeSpan {
    pub context: SpanContext,
    pub parent: SpanId,
    pub parent_is_remote: bool,
    pub kind: SpanKind,
    pub name: Cow<'static, str>,
    pub start: SystemTime,
    pub end: SystemTime,
    pub attributes: Vec<KeyValue>,
    pub events: Vec<Event>,
    pub link: Option<SpanContext>,
    pub status: Status,
}

impl EndedAttempt {
    /// How many spans it has.
    #[must_use]
    pub fn spans(&self) -> usize {
        1 + self.phases
    }

    /// Makes its spans: those of the phases first, as a tracer would end them.
    pub fn make(self, mut new_id: impl FnMut() -> SpanId, mut take: impl FnMut(MadeSpan)) {
        let Self { shared, attempt, outcome, end, attributes, link, kept, .. } = self;
        let Some(state) = attempt.observer_state(&shared.attempts) else { return };
        let Some(late) = &state.late else { return };
        let (options, clock, context) = (&*shared.options, state.clock, state.span_context());
        let outcome = outcome.as_deref().unwrap_or(&Outcome::Ok);
        let ended = Ended::new(&attempt, outcome, end);
        if options.phases == Phases::Spans {
            for child in phase_children(clock, &ended, kept) {
                let state = context.trace_state().clone();
                take(MadeSpan {
                    context: SpanContext::new(
                        context.trace_id(),
                        new_id(),
                        context.trace_flags(),
                        false,
                        state,
                    ),
                    parent: context.span_id(),
                    parent_is_remote: false,
                    kind: SpanKind::Internal,
                    name: child.name,
                    start: child.start,
                    end: child.end,
                    attributes: child.attributes,
                    events: Vec::new(),
                    link: None,
                    status: child.error.unwrap_or_default(),
                });
            }
        }
        let events = match options.phases {
            Phases::Events => phase_events(clock, &ended)
                .map(|(name, time, attributes)| Event::new(name, time, attributes, 0))
                .collect(),
            Phases::Spans | Phases::Off => Vec::new(),
        };
        let connection = attempt.connection();
        let setup = connection.as_ref().map(Connection::setup);
        let setup = setup.and_then(|setup| setup.observer_state(&shared.setups));
        let rpc = state.rpc.as_ref();
        let mut all = start_attributes(&attempt, &late.uri, state.method, rpc, options, attributes);
        all.extend(kept.map(|reason| KeyValue::new(o::KEPT, reason)));
        all.extend(end_attributes(&ended, setup));
        all.extend(options.opt_in.at_end(&attempt));
        take(MadeSpan {
            context: context.clone(),
            parent: late.parent,
            parent_is_remote: late.parent_is_remote,
            kind: SpanKind::Client,
            name: state.name(options, attempt.template()),
            start: clock.at(attempt.start_time()),
            end: clock.at(end),
            attributes: all,
            events,
            link,
            status: if ended.error_type().is_some() { ended.error_status() } else { Status::Unset },
        });
    }
}
