//! Turns events into spans and metrics.

use std::sync::OnceLock;

use http::HeaderMap;
use opentelemetry::global::BoxedTracer;
use opentelemetry::{Context, InstrumentationScope, global};
use tokio::time::Instant;
use tower_outbound::{
    Call, ConnectResult, Connection, Event, Exchange, Failure, Observer, Origin, Outcome, RequestHead,
    ResponseHead, Setup, Slot,
};

use crate::call_state::CallState;
use crate::clock::Clock;
use crate::exchange_span::{ExchangeState, is_error};
use crate::metrics::{Recorder, SlotGauge, answered_badly, outcome_name};
use crate::names::SCHEMA_URL;
use crate::options::{Options, OtelObserverBuilder};
use crate::propagate::NoPropagation;
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
    pub(crate) exchanges: Slot<ExchangeState>,
    pub(crate) setups: Slot<SetupState>,
    pub(crate) calls: Slot<CallState>,
}

/// What the spans and metrics come under.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}

impl OtelObserver {
    /// An observer with the default options and the global providers, as they are at the first exchange.
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

    fn exchange_started(&self, exchange: &Exchange, request: &RequestHead<'_>) {
        let call = exchange.call().slot(&self.calls);
        let parent = call.map_or_else(Context::current, CallState::parent);
        if parent.is_telemetry_suppressed() {
            return;
        }
        let propagates = request.extensions.get::<NoPropagation>().is_none();
        let options = &self.options;
        let state = ExchangeState::start(self.tracer(), &parent, exchange, request, options, propagates);
        let state = exchange.slot_or_init(&self.exchanges, || state);
        if let Some(call) = call {
            call.exchange_started(state.span_context(), exchange.origin());
        }
        self.recorder.exchange_active(exchange, state.method, options, 1);
    }

    /// Ends the span and its duration, which are one value; at the head or at the end, whichever is first.
    fn end_span(&self, exchange: &Exchange, state: &ExchangeState, outcome: &Outcome, end: Instant) {
        let connection = exchange.connection();
        let setup =
            connection.and_then(|connection| connection.setup().slot(&self.setups)?.link_for(exchange.id()));
        let options = &self.options;
        if state.end(self.tracer(), exchange, outcome, end, setup, options) {
            self.recorder.exchange_duration(exchange, state, options, outcome, end);
        }
    }

    fn exchange_head(&self, exchange: &Exchange, response: &ResponseHead<'_>) {
        let Some(state) = exchange.slot(&self.exchanges) else { return };
        if let Some(call) = exchange.call().slot(&self.calls) {
            call.answered(is_error(response.status));
        }
        state.head(response, &self.options);
        // What an RPC has come to is said by its trailers.
        if self.options.end_at_head && !exchange.is_grpc() {
            let head = exchange.timings().cumulative().head;
            let end = head.map_or_else(Instant::now, |head| exchange.start_time() + head);
            self.end_span(exchange, state, &Outcome::Ok, end);
        }
    }

    fn exchange_ended(&self, exchange: &Exchange, outcome: &Outcome) {
        let Some(state) = exchange.slot(&self.exchanges) else { return };
        let end = exchange.end_time().unwrap_or_else(Instant::now);
        let Self { options, recorder, .. } = self;
        self.end_span(exchange, state, outcome, end);
        recorder.exchange_ended(exchange, state.method, options, outcome, end);
        recorder.exchange_active(exchange, state.method, options, -1);
        let failed = answered_badly(exchange, outcome);
        if let Some(call) = exchange.call().slot(&self.calls) {
            call.answered(failed);
        }
        if !exchange.call().may_resend() {
            let outcome = outcome_name(outcome, failed);
            recorder.call_ended(exchange.origin(), outcome, 1, None, options);
        }
    }

    fn call_ended(&self, call: &Call, outcome: &Outcome) {
        let Some(state) = call.slot(&self.calls) else { return };
        let waited = state.end();
        if let Some(origin) = state.origin() {
            let outcome = outcome_name(outcome, state.failed());
            self.recorder.call_ended(origin, outcome, call.exchanges().into(), waited, &self.options);
        }
    }

    /// Where the call goes; `None` where nothing is told of it.
    fn origin_of<'a>(&self, call: &'a Call) -> Option<&'a Origin> {
        call.slot(&self.calls)?.origin()
    }

    fn connect_started(&self, setup: &Setup, exchange: Option<&Exchange>) {
        let starter = match exchange {
            Some(exchange) => match exchange.slot(&self.exchanges) {
                Some(state) => Some(state),
                None => return,
            },
            None if Context::is_current_telemetry_suppressed() => return,
            None => None,
        };
        setup.slot_or_init(&self.setups, || {
            let clock = starter.map_or_else(|| Clock::new(setup.start_time()), |starter| starter.clock);
            let span = starter.map(|starter| starter.span_context().clone());
            SetupState::new(clock, span.zip(exchange.cloned()))
        });
    }

    fn connect_ended(&self, setup: &Setup, result: &ConnectResult<'_>) {
        if setup.slot(&self.setups).is_none() {
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
        let Some(state) = setup.slot(&self.setups) else { return };
        let parent = state
            .take_parent(served)
            .and_then(|starter| Some((starter.id(), starter.slot(&self.exchanges)?.context()?)));
        state.record(self.tracer(), setup, parent, failure, self.options.phases);
    }

    /// A suppressed exchange is not counted, neither when it comes nor when it goes.
    fn slot(&self, origin: &Origin, exchange: Option<&Exchange>, gauge: SlotGauge, change: i64) {
        if exchange.is_none_or(|exchange| exchange.slot(&self.exchanges).is_some()) {
            self.recorder.slots(origin, gauge, change, &self.options);
        }
    }

    fn is_seen(&self, connection: &Connection) -> bool {
        connection.setup().slot(&self.setups).is_some()
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
            Event::CallStarted { call } if call.may_resend() => {
                call.slot_or_init(&self.calls, || CallState::new(Context::current()));
            }
            Event::RetryDecided { call, reason, decision } => {
                if let Some(origin) = self.origin_of(call) {
                    recorder.retry_decided(origin, *reason, decision.err(), options);
                }
            }
            Event::Released { call, release } => {
                if let Some(origin) = self.origin_of(call) {
                    recorder.released(origin, *release, options);
                }
            }
            Event::BackoffEnded { call, start, end } => {
                if let Some(state) = call.slot(&self.calls) {
                    state.waited(end.saturating_duration_since(*start));
                }
            }
            Event::CallEnded { call, outcome } => self.call_ended(call, outcome),
            Event::ExchangeStarted { exchange, request } => self.exchange_started(exchange, request),
            Event::ExchangeHead { exchange, response } => self.exchange_head(exchange, response),
            Event::ExchangeEnded { exchange, outcome } => self.exchange_ended(exchange, outcome),
            Event::ConnectStarted { setup, exchange } => self.connect_started(setup, *exchange),
            Event::ConnectEnded { setup, result } => self.connect_ended(setup, result),
            Event::ConnectWasted { setup, .. } if setup.slot(&self.setups).is_some() => {
                recorder.connect_wasted(setup, options);
            }
            Event::ConnectionOpened { connection } if self.is_seen(connection) => {
                recorder.connection_opened(connection, options);
            }
            Event::ConnectionAssigned { connection, exchange, .. } => {
                self.record_setup(connection.setup(), Some((connection, exchange)), None);
            }
            Event::ConnectionActive { connection } => recorder.connection_active(connection, options),
            Event::ConnectionIdle { connection } => recorder.connection_idle(connection, options),
            Event::ConnectionClosed { connection, closed } => {
                recorder.connection_closed(connection, closed, options);
                self.record_setup(connection.setup(), None, None);
            }
            Event::SlotsOpened { origin, limit } => self.slot(origin, None, SlotGauge::Limit, signed(*limit)),
            Event::SlotsClosed { origin, limit } => {
                self.slot(origin, None, SlotGauge::Limit, -signed(*limit));
            }
            Event::SlotWaiting { origin, exchange } => self.slot(origin, *exchange, SlotGauge::Waiting, 1),
            Event::SlotWaited { origin, exchange, .. } => {
                self.slot(origin, *exchange, SlotGauge::Waiting, -1);
            }
            Event::SlotTaken { origin, exchange } => self.slot(origin, *exchange, SlotGauge::Usage, 1),
            Event::SlotReturned { origin, exchange } => self.slot(origin, *exchange, SlotGauge::Usage, -1),
            _ => {}
        }
    }

    fn on_request(&self, exchange: &Exchange, headers: &mut HeaderMap) {
        if let Some(state) = exchange.slot(&self.exchanges).filter(|state| state.propagates)
            && let Some(context) = state.context()
        {
            self.options.propagate.inject(Target::from(exchange.origin()), &context, headers);
        }
    }
}
