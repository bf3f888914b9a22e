//! Turns events into spans and metrics.

use std::sync::OnceLock;

use http::HeaderMap;
use opentelemetry::global::BoxedTracer;
use opentelemetry::{Context, InstrumentationScope, global};
use tokio::time::Instant;
use tower_outbound::attempt::NoPropagation;
use tower_outbound::connect::Setup;
use tower_outbound::event::{ConnectResult, ObserverKey, RequestHead, ResponseHead};
use tower_outbound::{Attempt, Call, Connection, Event, Failure, Observer, Origin, Outcome};

use crate::attempt_span::{AttemptState, is_error};
use crate::call_state::CallState;
use crate::clock::Clock;
use crate::metrics::{Recorder, SlotGauge, answered_badly, outcome_name};
use crate::names::SCHEMA_URL;
use crate::options::{Options, OtelObserverBuilder};
use crate::setup_span::{Served, SetupState};
use crate::target::Target;

/// Turns the events of a stack into spans and metrics, and writes the trace context into requests.
///
/// One observer for one stack or for several; see the [crate](crate) for what it emits.
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
    pub(crate) options: Options,
    pub(crate) recorder: Recorder,
    pub(crate) tracer: OnceLock<BoxedTracer>,
    pub(crate) attempts: ObserverKey<AttemptState>,
    pub(crate) setups: ObserverKey<SetupState>,
    pub(crate) calls: ObserverKey<CallState>,
}

/// The instrumentation scope of the spans and metrics: this crate's name and version, and the conventions' schema.
#[must_use]
pub fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}

impl OtelObserver {
    /// An observer with the default options and the global providers, as they are at the first attempt.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts an observer with options.
    pub fn builder() -> OtelObserverBuilder {
        OtelObserverBuilder::default()
    }

    fn tracer(&self) -> &BoxedTracer {
        self.tracer.get_or_init(|| global::tracer_with_scope(scope()))
    }

    fn attempt_started(&self, attempt: &Attempt, request: &RequestHead<'_>) {
        let call = attempt.call().observer_state(&self.calls);
        let parent = call.map_or_else(Context::current, CallState::parent);
        if parent.is_telemetry_suppressed() {
            return;
        }
        let propagates = request.extensions.get::<NoPropagation>().is_none();
        let options = &self.options;
        let state = AttemptState::start(self.tracer(), &parent, attempt, request, options, propagates);
        let state = attempt.observer_state_or_init(&self.attempts, || state);
        if let Some(call) = call {
            call.attempt_started(state.span_context(), attempt.origin());
        }
        self.recorder.attempt_active(attempt, state.method, options, 1);
    }

    /// Ends the span and its duration, which are one value; at the head or at the end, whichever is first.
    fn end_span(&self, attempt: &Attempt, state: &AttemptState, outcome: &Outcome, end: Instant) {
        let connection = attempt.connection();
        let setup = connection
            .and_then(|connection| connection.setup().observer_state(&self.setups)?.link_for(attempt.id()));
        let options = &self.options;
        if state.end(self.tracer(), attempt, outcome, end, setup, options) {
            self.recorder.attempt_duration(attempt, state, options, outcome, end);
        }
    }

    fn attempt_head(&self, attempt: &Attempt, response: &ResponseHead<'_>) {
        let Some(state) = attempt.observer_state(&self.attempts) else { return };
        if let Some(call) = attempt.call().observer_state(&self.calls) {
            call.answered(is_error(response.status));
        }
        state.head(response, &self.options);
        // What an RPC has come to is said by its trailers.
        if self.options.end_at_head && !attempt.is_grpc() {
            let head = attempt.timings().cumulative().head;
            let end = head.map_or_else(Instant::now, |head| attempt.start_time() + head);
            self.end_span(attempt, state, &Outcome::Ok, end);
        }
    }

    fn attempt_ended(&self, attempt: &Attempt, outcome: &Outcome) {
        let Some(state) = attempt.observer_state(&self.attempts) else { return };
        let end = attempt.end_time().unwrap_or_else(Instant::now);
        let Self { options, recorder, .. } = self;
        self.end_span(attempt, state, outcome, end);
        recorder.attempt_ended(attempt, state.method, options, outcome, end);
        recorder.attempt_active(attempt, state.method, options, -1);
        let failed = answered_badly(attempt, outcome);
        if let Some(call) = attempt.call().observer_state(&self.calls) {
            call.answered(failed);
        }
        if !attempt.call().may_retry() {
            let outcome = outcome_name(outcome, failed);
            recorder.call_ended(attempt.origin(), outcome, 1, None, options);
        }
    }

    fn call_ended(&self, call: &Call, outcome: &Outcome) {
        let Some(state) = call.observer_state(&self.calls) else { return };
        let waited = state.end();
        if let Some(origin) = state.origin() {
            let outcome = outcome_name(outcome, state.failed());
            self.recorder.call_ended(origin, outcome, call.attempts().into(), waited, &self.options);
        }
    }

    /// Where the call goes; `None` where nothing is told of it.
    fn origin_of<'a>(&self, call: &'a Call) -> Option<&'a Origin> {
        call.observer_state(&self.calls)?.origin()
    }

    fn connect_started(&self, setup: &Setup, attempt: Option<&Attempt>) {
        let starter = match attempt {
            Some(attempt) => match attempt.observer_state(&self.attempts) {
                Some(state) => Some(state),
                None => return,
            },
            None if Context::is_current_telemetry_suppressed() => return,
            None => None,
        };
        setup.observer_state_or_init(&self.setups, || {
            let clock = starter.map_or_else(|| Clock::new(setup.start_time()), |starter| starter.clock);
            let span = starter.map(|starter| starter.span_context().clone());
            SetupState::new(clock, span.zip(attempt.cloned()))
        });
    }

    fn connect_ended(&self, setup: &Setup, result: &ConnectResult<'_>) {
        if setup.observer_state(&self.setups).is_none() {
            return;
        }
        self.recorder.connect_ended(setup, result, &self.options);
        match result {
            // Whether its starter is served by it is known only later.
            ConnectResult::Connected(_) => {}
            ConnectResult::Failed(failure) => self.record_setup(setup, None, Some(failure)),
            _ => self.record_setup(setup, None, None),
        }
    }

    fn record_setup(&self, setup: &Setup, served: Option<Served<'_>>, failure: Option<&Failure>) {
        let Some(state) = setup.observer_state(&self.setups) else { return };
        let parent = state
            .take_parent(served)
            .and_then(|starter| Some((starter.id(), starter.observer_state(&self.attempts)?.context()?)));
        state.record(self.tracer(), setup, parent, failure, self.options.phases);
    }

    /// A suppressed attempt is not counted, neither when it comes nor when it goes.
    fn slot(&self, origin: &Origin, attempt: Option<&Attempt>, gauge: SlotGauge, change: i64) {
        if attempt.is_none_or(|attempt| attempt.observer_state(&self.attempts).is_some()) {
            self.recorder.slots(origin, gauge, change, &self.options);
        }
    }

    fn is_seen(&self, connection: &Connection) -> bool {
        connection.setup().observer_state(&self.setups).is_some()
    }
}

fn signed(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Default for OtelObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for OtelObserver {
    fn on_event(&self, event: &Event<'_>) {
        let Self { recorder, options, .. } = self;
        match event {
            Event::CallStarted { call, .. } if call.may_retry() => {
                call.observer_state_or_init(&self.calls, || CallState::new(Context::current()));
            }
            Event::RetryDecided { call, reason, decision, .. } => {
                if let Some(origin) = self.origin_of(call) {
                    recorder.retry_decided(origin, *reason, decision.err(), options);
                }
            }
            Event::Released { call, release, .. } => {
                if let Some(origin) = self.origin_of(call) {
                    recorder.released(origin, *release, options);
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
            Event::ConnectWasted { setup, .. } if setup.observer_state(&self.setups).is_some() => {
                recorder.connect_wasted(setup, options);
            }
            Event::ConnectionOpened { connection, .. } if self.is_seen(connection) => {
                recorder.connection_opened(connection, options);
            }
            Event::ConnectionAssigned { connection, attempt, .. } => {
                self.record_setup(connection.setup(), Some((connection, attempt)), None);
            }
            Event::ConnectionActive { connection, .. } => recorder.connection_active(connection, options),
            Event::ConnectionIdle { connection, .. } => recorder.connection_idle(connection, options),
            Event::ConnectionClosed { connection, closed, .. } => {
                recorder.connection_closed(connection, closed, options);
                self.record_setup(connection.setup(), None, None);
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
            _ => {}
        }
    }

    fn on_request(&self, attempt: &Attempt, headers: &mut HeaderMap) {
        let state = attempt.observer_state(&self.attempts).filter(|state| state.propagates);
        if let Some(context) = state.and_then(AttemptState::context) {
            self.options.propagate.inject(Target::from(attempt.origin()), &context, headers);
        }
    }
}
