//! Records events in the metrics of their origin.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::metrics::Meter;
use opentelemetry::{KeyValue, global};
use tower_outbound::connect::{Closed, Setup};
use tower_outbound::event::{ConnectResult, ObserverKey};
use tower_outbound::operation::{Operation, Report, StepRun};
use tower_outbound::outbound::Reset;
use tower_outbound::retry::{Release, RetryLimit, RetryReason};
use tower_outbound::{Attempt, Connection, Origin, Phase};

use super::attributes::Attributes;
use super::connection::ConnectionState;
use super::instruments::Instruments;
use super::operation::OperationMetrics;
use super::origin::OriginMetrics;
use super::slots::SlotGauge;
use crate::ended::Ended;
use crate::labels::Admission;
use crate::methods::MethodId;
use crate::options::{Metrics, Options};
use crate::rpc::RpcMethod;
use crate::semconv::{outbound as o, scope};

/// The metrics of an observer.
#[derive(Debug)]
pub(crate) struct Recorder {
    options: Arc<Options>,
    admission: Admission,
    /// `None`: the global one, looked up at the first record.
    meter: Option<Meter>,
    instruments: OnceLock<Arc<Instruments>>,
    /// Those of a smaller set of metrics: the core, and none.
    capped_instruments: [OnceLock<Arc<Instruments>>; 2],
    origins: ObserverKey<OriginMetrics>,
    capped: ObserverKey<Capped>,
    connections: ObserverKey<ConnectionState>,
    operation: OperationMetrics,
}

/// The metrics of an origin while the settings allow fewer than the observer has: the core, and none.
#[derive(Debug, Default)]
struct Capped([OnceLock<OriginMetrics>; 2]);

impl Capped {
    fn of(&self, metrics: Metrics) -> &OnceLock<OriginMetrics> {
        &self.0[usize::from(metrics == Metrics::Off)]
    }
}

impl Recorder {
    pub(crate) fn new(options: Arc<Options>, admission: Admission, meter: Option<Meter>) -> Self {
        Self {
            options,
            admission,
            meter,
            instruments: OnceLock::new(),
            capped_instruments: Default::default(),
            origins: ObserverKey::new(),
            capped: ObserverKey::new(),
            connections: ObserverKey::new(),
            operation: OperationMetrics::default(),
        }
    }

    pub(crate) fn has_meter(&self) -> bool {
        self.meter.is_some()
    }

    /// `None` if metrics are off.
    fn of<'a>(&self, origin: &'a Origin) -> Option<&'a OriginMetrics> {
        if self.options.metrics == Metrics::Off {
            return None;
        }
        if let Some(metrics) = self.options.capped_metrics() {
            let capped = origin.observer_state_or_init(&self.capped, Capped::default);
            return Some(
                capped.of(metrics).get_or_init(|| self.made(origin, self.capped_instruments(metrics))),
            );
        }
        if let Some(known) = origin.observer_state(&self.origins) {
            return Some(known);
        }
        let made = self.made(origin, self.instruments());
        Some(origin.observer_state_or_init(&self.origins, || made))
    }

    fn made(&self, origin: &Origin, instruments: &Arc<Instruments>) -> OriginMetrics {
        OriginMetrics::new(Attributes {
            instruments: Arc::clone(instruments),
            options: Arc::clone(&self.options),
            labels: self.admission.labels(origin),
        })
    }

    /// Those that the settings allow now; `None` if metrics are off.
    fn instruments_now(&self) -> Option<&Arc<Instruments>> {
        if self.options.metrics == Metrics::Off {
            return None;
        }
        Some(match self.options.capped_metrics() {
            None => self.instruments(),
            Some(metrics) => self.capped_instruments(metrics),
        })
    }

    fn capped_instruments(&self, metrics: Metrics) -> &Arc<Instruments> {
        let cell = &self.capped_instruments[usize::from(metrics == Metrics::Off)];
        cell.get_or_init(|| Arc::new(self.instruments().capped(metrics)))
    }

    /// Made outside of the cell: views are application code, and making an instrument twice is harmless.
    fn instruments(&self) -> &Arc<Instruments> {
        if let Some(instruments) = self.instruments.get() {
            return instruments;
        }
        let meter = self.meter.clone().unwrap_or_else(|| global::meter_with_scope(scope()));
        let made = Arc::new(Instruments::new(&meter, &self.options));
        self.instruments.get_or_init(|| made)
    }

    pub(crate) fn attempt_started(&self, attempt: &Attempt, method: MethodId) {
        if let Some(origin) = self.of(attempt.origin()) {
            origin.attempt.active(attempt, method, 1);
        }
    }

    /// The span ended at the response's head: records the duration.
    pub(crate) fn attempt_head(&self, ended: &Ended<'_>, method: MethodId) {
        if let Some(origin) = self.of(ended.attempt.origin()) {
            origin.attempt.duration(ended, method);
        }
    }

    /// What the server says of itself.
    pub(crate) fn server(&self, attempt: &Attempt, took: Duration) {
        if let Some(origin) = self.of(attempt.origin()) {
            origin.attempt.server(attempt, took);
        }
    }

    /// The attempt is not active any more. `span_ended` is false if the span ended at the head: its duration is recorded
    /// already.
    pub(crate) fn attempt_ended(
        &self,
        ended: &Ended<'_>,
        method: MethodId,
        rpc: Option<&RpcMethod>,
        span_ended: bool,
    ) {
        let attempt = ended.attempt;
        let Some(origin) = self.of(attempt.origin()) else { return };
        origin.attempt.active(attempt, method, -1);
        origin.attempt.ended(ended, method, span_ended);
        origin.phase.attempt_ended(ended);
        if let (true, Some((method, status))) = (span_ended, rpc.zip(ended.rpc)) {
            origin.rpc.duration(method, status.bounded(), ended.took);
        }
        if !attempt.call().may_retry() {
            origin.call.ended(ended.outcome_name(), 1, None);
        }
        let Some(connection) = attempt.connection() else { return };
        let Some(state) = connection.observer_state(&self.connections) else { return };
        // Nearly always the same.
        let of_connection =
            if connection.origin() == attempt.origin() { Some(origin) } else { self.of(connection.origin()) };
        if let Some(origin) = of_connection {
            origin.connection.io(&connection, state);
        }
    }

    pub(crate) fn retry_decided(&self, origin: &Origin, reason: RetryReason, limit: Option<RetryLimit>) {
        if let Some(origin) = self.of(origin) {
            origin.call.retry(reason, limit);
        }
    }

    pub(crate) fn released(&self, origin: &Origin, release: Release) {
        if let Some(origin) = self.of(origin) {
            origin.call.released(release);
        }
    }

    pub(crate) fn deadline_elapsed(&self, origin: &Origin, phase: Phase) {
        if let Some(origin) = self.of(origin) {
            origin.call.deadline_elapsed(phase);
        }
    }

    pub(crate) fn call_ended(
        &self,
        origin: &Origin,
        outcome: &'static str,
        attempts: u64,
        waited: Option<Duration>,
    ) {
        if let Some(origin) = self.of(origin) {
            origin.call.ended(outcome, attempts, waited);
        }
    }

    pub(crate) fn connect_ended(&self, setup: &Setup, result: &ConnectResult<'_>) {
        if let Some(origin) = self.of(setup.origin()) {
            origin.phase.connect_ended(setup);
            origin.connect.ended(setup, result);
        }
    }

    pub(crate) fn connect_wasted(&self, setup: &Setup) {
        if let Some(origin) = self.of(setup.origin()) {
            origin.connect.wasted();
        }
    }

    pub(crate) fn connection_stale(&self, connection: &Connection) {
        if let Some(origin) = self.of(connection.origin()) {
            origin.connect.stale();
        }
    }

    pub(crate) fn reset(&self, reset: &Reset) {
        self.count_reset(if reset.unreached == 0 { "ok" } else { "error" });
    }

    pub(crate) fn recovered(&self) {
        self.count_reset("recovery");
    }

    fn count_reset(&self, outcome: &'static str) {
        if let Some(resets) = self.instruments_now().and_then(|now| now.resets.as_ref()) {
            resets.add(1, &[KeyValue::new(o::OUTCOME, outcome)]);
        }
    }

    pub(crate) fn reloaded(&self, ok: bool) {
        if let Some(reloads) = self.instruments_now().and_then(|now| now.config_reload.as_ref()) {
            let outcome = if ok { "ok" } else { "error" };
            reloads.add(1, &[KeyValue::new(o::OUTCOME, outcome)]);
        }
    }

    pub(crate) fn slots(&self, origin: &Origin, gauge: SlotGauge, change: i64) {
        if let Some(origin) = self.of(origin) {
            origin.slots.change(gauge, change);
        }
    }

    pub(crate) fn step_ended(&self, operation: &Operation, step: &StepRun) {
        if let Some(instruments) = self.instruments_now() {
            self.operation.step_ended(instruments, operation, step);
        }
    }

    pub(crate) fn operation_ended(&self, operation: &Operation, report: &Report) {
        if let Some(instruments) = self.instruments_now() {
            self.operation.ended(instruments, operation, report);
        }
    }

    pub(crate) fn connection_opened(&self, connection: &Connection) {
        if let Some(origin) = self.of(connection.origin()) {
            let state = origin.connection.opened(connection);
            connection.observer_state_or_init(&self.connections, || state);
        }
    }

    pub(crate) fn connection_active(&self, connection: &Connection) {
        if let Some((origin, state)) = self.counted(connection) {
            origin.connection.active(connection, state);
        }
    }

    pub(crate) fn connection_idle(&self, connection: &Connection) {
        if let Some((origin, state)) = self.counted(connection) {
            origin.connection.idle(state);
        }
    }

    pub(crate) fn connection_closed(&self, connection: &Connection, closed: &Closed) {
        if let Some((origin, state)) = self.counted(connection) {
            origin.connection.closed(connection, state, closed);
        }
    }

    /// `None` for a connection that was not counted when it opened.
    fn counted<'a>(&self, connection: &'a Connection) -> Option<(&'a OriginMetrics, &'a ConnectionState)> {
        let state = connection.observer_state(&self.connections)?;
        Some((self.of(connection.origin())?, state))
    }
}
