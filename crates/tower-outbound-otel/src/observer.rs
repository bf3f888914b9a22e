//! Turns events into spans and metrics.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::TraceContextExt;
use tokio::time::Instant;
use tower_outbound::connect::Setup;
use tower_outbound::event::{ConnectResult, Detail, ObserverKey, RequestHead, ResponseHead};
use tower_outbound::operation::StepRun;
use tower_outbound::{Attempt, Call, Connection, Event, Failure, Observer, Origin, Outcome};

use crate::carried::carried;
use crate::ended::{Ended, outcome_name};
use crate::metrics::{Recorder, SlotGauge};
use crate::operations::Operations;
use crate::options::Options;
use crate::semconv::is_error;
use crate::span::{AttemptSink, AttemptState, CallState, Clock, Parent, SetupState, Shared, SpanTracer};
use crate::target::Target;

/// Turns events into spans and metrics, and writes the trace context into requests.
///
/// One observer can serve several [`Outbound`](tower_outbound::Outbound)s. The [crate documentation](crate) lists the
/// spans and metrics.
///
/// # Example
/// ```
/// use tower_outbound::Outbound;
/// use tower_outbound_otel::{OtelObserver, Phases};
///
/// let observer = OtelObserver::builder().phases(Phases::Events).build();
/// let outbound = Outbound::builder().observer(observer).build();
/// # let _ = outbound;
/// ```
#[derive(Debug)]
pub struct OtelObserver {
    options: Arc<Options>,
    recorder: Recorder,
    tracer: SpanTracer,
    shared: Arc<Shared>,
    calls: ObserverKey<CallState>,
    operations: Operations,
}

impl OtelObserver {
    /// With an empty tracer, the global provider's is used.
    pub(crate) fn with(
        options: Arc<Options>,
        recorder: Recorder,
        tracer: OnceLock<BoxedTracer>,
        sink: Option<Arc<dyn AttemptSink>>,
    ) -> Self {
        let shared = Arc::new(Shared {
            options: Arc::clone(&options),
            attempts: ObserverKey::new(),
            setups: ObserverKey::new(),
        });
        Self {
            tracer: SpanTracer::new(Arc::clone(&shared), tracer, sink, recorder.has_meter()),
            options,
            recorder,
            shared,
            calls: ObserverKey::new(),
            operations: Operations::default(),
        }
    }

    fn attempt_started(&self, attempt: &Attempt, request: &RequestHead<'_>) {
        let call = attempt.call().observer_state(&self.calls);
        let caller = call.map_or_else(Context::current, CallState::caller);
        if caller.is_telemetry_suppressed() {
            return;
        }
        let parent = parent(caller, call, request.headers);
        let state = AttemptState::start(&self.tracer, parent, attempt, request);
        let state = attempt.observer_state_or_init(&self.shared.attempts, || state);
        if let Some(call) = call {
            call.attempt_started(state.span_context(), attempt.origin());
        }
        self.recorder.attempt_started(attempt, state.method);
    }

    /// Ends the span. Returns false if it ended before.
    fn end_span(&self, state: &AttemptState, ended: &Ended<'_>) -> bool {
        let connection = ended.attempt.connection();
        let setup =
            connection.as_ref().and_then(|connection| connection.setup().observer_state(&self.shared.setups));
        state.end(&self.tracer, ended, setup)
    }

    fn attempt_head(&self, attempt: &Attempt, response: &ResponseHead<'_>) {
        let Some(state) = attempt.observer_state(&self.shared.attempts) else { return };
        if let Some(call) = attempt.call().observer_state(&self.calls) {
            call.responded(is_error(response.status));
        }
        state.head(response, &self.tracer);
        if let Some(server) = self.options.opt_in.server_duration(response.headers) {
            self.recorder.server(attempt, server);
        }
        // The status of an RPC is in its trailers.
        if self.options.end_at_head && !attempt.is_grpc() {
            let head = attempt.timings().cumulative().head;
            let end = head.map_or_else(Instant::now, |head| attempt.start_time() + head);
            let ended = Ended::new(attempt, &Outcome::Ok, end);
            if self.end_span(state, &ended) {
                self.recorder.attempt_head(&ended, state.method);
            }
        }
    }

    fn attempt_ended(&self, attempt: &Attempt, outcome: &Outcome) {
        let Some(state) = attempt.observer_state(&self.shared.attempts) else { return };
        let ended = Ended::new(attempt, outcome, attempt.end_time().unwrap_or_else(Instant::now));
        let span_ended = self.end_span(state, &ended);
        self.recorder.attempt_ended(&ended, state.method, state.rpc.as_ref(), span_ended);
        if let Some(call) = attempt.call().observer_state(&self.calls) {
            call.responded(ended.is_error_response());
        }
    }

    fn call_ended(&self, call: &Call, outcome: &Outcome) {
        let Some(state) = call.observer_state(&self.calls) else { return };
        let waited = state.end();
        if let Some(origin) = state.origin() {
            let outcome = outcome_name(outcome, state.failed());
            self.recorder.call_ended(origin, outcome, call.attempts().into(), waited);
        }
    }

    /// The origin of a call; `None` if it is suppressed.
    fn origin_of<'a>(&self, call: &'a Call) -> Option<&'a Origin> {
        call.observer_state(&self.calls)?.origin()
    }

    fn connect_started(&self, setup: &Setup, attempt: Option<&Attempt>) {
        let starter = match attempt {
            Some(attempt) => match attempt.observer_state(&self.shared.attempts) {
                Some(state) => Some(state),
                None => return,
            },
            None if Context::is_current_telemetry_suppressed() => return,
            None => None,
        };
        // Whoever dials without an attempt: a step of an operation.
        let caller = starter.is_none().then(|| Context::current().span().span_context().clone());
        setup.observer_state_or_init(&self.shared.setups, || {
            let clock = starter.map_or_else(Clock::now, |starter| starter.clock);
            let span = starter.map(|starter| starter.span_context().clone());
            SetupState::new(clock, span.zip(attempt.cloned()), caller)
        });
    }

    fn connect_ended(&self, setup: &Setup, result: &ConnectResult<'_>) {
        if setup.observer_state(&self.shared.setups).is_none() {
            return;
        }
        self.recorder.connect_ended(setup, result);
        match result {
            // The parent is not known before the connection serves an attempt.
            ConnectResult::Connected(_) => {}
            ConnectResult::Failed(failure) => {
                self.record_setup(setup, SetupState::take_failing_parent, Some(failure));
            }
            _ => self.record_unserved(setup),
        }
    }

    /// No attempt that the connection serves is known.
    fn record_unserved(&self, setup: &Setup) {
        self.record_setup(setup, |state| state.take_parent(None), None);
    }

    fn record_setup(
        &self,
        setup: &Setup,
        take_parent: impl FnOnce(&SetupState) -> Option<Attempt>,
        failure: Option<&Failure>,
    ) {
        let Some(state) = setup.observer_state(&self.shared.setups) else { return };
        let parent = take_parent(state).and_then(|starter| {
            Some((starter.id(), starter.observer_state(&self.shared.attempts)?.context()?))
        });
        state.record(&self.tracer, setup, parent, failure);
    }

    /// A suppressed attempt is not counted.
    fn slot(&self, origin: &Origin, attempt: Option<&Attempt>, gauge: SlotGauge, change: i64) {
        if attempt.is_none_or(|attempt| attempt.observer_state(&self.shared.attempts).is_some()) {
            self.recorder.slots(origin, gauge, change);
        }
    }

    fn is_observed(&self, connection: &Connection) -> bool {
        connection.setup().observer_state(&self.shared.setups).is_some()
    }
}

/// The parent of an attempt's span: the caller's span, also for retries. Without one, the span that the request carries.
/// Without that, the call's first attempt, so that its retries share its trace.
fn parent(caller: Context, call: Option<&CallState>, headers: &HeaderMap) -> Parent {
    if caller.span().span_context().is_valid() {
        return Parent { context: caller, carried: false };
    }
    if let Some(context) = carried(&caller, headers) {
        return Parent { context, carried: true };
    }
    let first = call.and_then(CallState::first).cloned();
    let context = first.map_or_else(|| caller.clone(), |first| caller.with_remote_span_context(first));
    Parent { context, carried: false }
}

fn signed(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Observer for OtelObserver {
    fn on_event(&self, event: &Event<'_>) {
        let recorder = &self.recorder;
        match event {
            Event::CallStarted { call, .. } if call.may_retry() => {
                call.observer_state_or_init(&self.calls, || CallState::new(Context::current()));
            }
            Event::RetryDecided { call, reason, decision, .. } => {
                if let Some(origin) = self.origin_of(call) {
                    recorder.retry_decided(origin, *reason, decision.err());
                }
            }
            Event::Released { call, release, .. } => {
                if let Some(origin) = self.origin_of(call) {
                    recorder.released(origin, *release);
                }
            }
            Event::DeadlineElapsed { call, attempt, phase, .. } => {
                let observed = |attempt: &&Attempt| attempt.observer_state(&self.shared.attempts).is_some();
                let origin = match attempt {
                    Some(attempt) => Some(*attempt).filter(observed).map(Attempt::origin),
                    None => self.origin_of(call),
                };
                if let Some(origin) = origin {
                    recorder.deadline_elapsed(origin, *phase);
                }
            }
            Event::BackoffEnded { call, start, end, .. } => {
                if let Some(state) = call.observer_state(&self.calls) {
                    state.waited(end.saturating_duration_since(*start));
                }
            }
            Event::CallEnded { call, outcome, .. } => self.call_ended(call, outcome),
            Event::AttemptStarted { attempt, request, .. } => self.attempt_started(attempt, request),
            Event::AttemptHead { attempt, response, .. } => self.attempt_head(attempt, response),
            Event::AttemptEnded { attempt, outcome, .. } => self.attempt_ended(attempt, outcome),
            Event::ConnectStarted { setup, attempt, .. } => self.connect_started(setup, *attempt),
            Event::ConnectEnded { setup, result, .. } => self.connect_ended(setup, result),
            Event::ConnectWasted { setup, .. } if setup.observer_state(&self.shared.setups).is_some() => {
                recorder.connect_wasted(setup);
            }
            Event::ConnectionOpened { connection, late, .. } if *late || self.is_observed(connection) => {
                recorder.connection_opened(connection);
            }
            Event::ConnectionAssigned { connection, attempt, .. } => {
                let served = |state: &SetupState| state.take_parent(Some((connection, attempt)));
                self.record_setup(connection.setup(), served, None);
            }
            Event::ConnectionStale { connection, .. } if self.is_observed(connection) => {
                recorder.connection_stale(connection);
            }
            Event::ConnectionActive { connection, .. } => recorder.connection_active(connection),
            Event::ConnectionIdle { connection, .. } => recorder.connection_idle(connection),
            Event::ConnectionClosed { connection, closed, .. } => {
                recorder.connection_closed(connection, closed);
                self.record_unserved(connection.setup());
            }
            Event::Reset { reset, .. } => recorder.reset(reset),
            Event::Recovered { .. } => recorder.recovered(),
            Event::Reloaded { error, .. } => recorder.reloaded(error.is_none()),
            Event::ConnectionWaiting { origin, attempt, .. } => {
                self.slot(origin, Some(attempt), SlotGauge::WaitingForConnection, 1);
            }
            Event::ConnectionWaited { origin, attempt, .. } => {
                self.slot(origin, Some(attempt), SlotGauge::WaitingForConnection, -1);
            }
            Event::SlotsOpened { origin, limit, .. } => {
                self.slot(origin, None, SlotGauge::Limit, signed(*limit));
            }
            Event::SlotsClosed { origin, limit, .. } => {
                self.slot(origin, None, SlotGauge::Limit, -signed(*limit));
            }
            Event::SlotWaiting { origin, attempt, .. } => self.slot(origin, *attempt, SlotGauge::Waiting, 1),
            Event::SlotWaited { origin, attempt, .. } => {
                self.slot(origin, *attempt, SlotGauge::Waiting, -1);
            }
            Event::SlotTaken { origin, attempt, .. } => self.slot(origin, *attempt, SlotGauge::Usage, 1),
            Event::SlotReturned { origin, attempt, .. } => self.slot(origin, *attempt, SlotGauge::Usage, -1),
            Event::OperationStarted { operation, .. } => self.operations.started(&self.tracer, operation),
            Event::StepStarted { operation, step, .. } => {
                self.operations.step_started(&self.tracer, operation, step);
            }
            Event::StepEnded { operation, step, .. } => self.operations.step_ended(recorder, operation, step),
            Event::OperationEnded { operation, report, .. } => {
                self.operations.ended(recorder, operation, report);
            }
            _ => {}
        }
    }

    fn on_step_poll(&self, step: &StepRun, poll: &mut dyn FnMut()) {
        let _attached = self.operations.context(step).map(Context::attach);
        poll();
    }

    fn on_detail(&self, detail: &Detail) {
        self.options.caps.set(detail);
    }

    /// The spans and metrics of phases are made from the timings.
    fn wants_attempt_phases(&self) -> bool {
        false
    }

    fn on_request(&self, attempt: &Attempt, headers: &mut HeaderMap) {
        let Some(state) = attempt.observer_state(&self.shared.attempts).filter(|state| state.propagates)
        else {
            return;
        };
        if let Some(context) = state.context() {
            self.options.propagate.inject(Target::from(attempt.origin()), &context, state.carried, headers);
        }
    }
}
