//! Finds an origin's handles and passes on what happened.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::metrics::Meter;
use tokio::time::Instant;
use tower_outbound::connect::{Closed, Setup};
use tower_outbound::event::{ConnectResult, ObserverKey};
use tower_outbound::retry::{Release, RetryLimit, RetryReason};
use tower_outbound::{Attempt, Connection, Origin, Outcome};

use super::connection::ConnectionState;
use super::instruments::Instruments;
use super::origin::{OriginMetrics, SlotGauge};
use crate::attempt_span::AttemptState;
use crate::labels::Admission;
use crate::methods::MethodId;
use crate::observer::scope;
use crate::options::{Metrics, Options};
use crate::rpc::RpcEnd;

/// The metrics of an observer.
#[derive(Debug)]
pub(crate) struct Recorder {
    admission: Admission,
    /// Without one, the global one at the first use.
    meter: Option<Meter>,
    instruments: OnceLock<Arc<Instruments>>,
    origins: ObserverKey<OriginMetrics>,
    connections: ObserverKey<ConnectionState>,
}

impl Recorder {
    pub(crate) fn new(admission: Admission, meter: Option<Meter>) -> Self {
        let (origins, connections) = (ObserverKey::new(), ObserverKey::new());
        Self { admission, meter, instruments: OnceLock::new(), origins, connections }
    }

    /// `None` where metrics are off.
    fn of<'a>(&self, origin: &'a Origin, options: &Options) -> Option<&'a OriginMetrics> {
        if options.metrics == Metrics::Off {
            return None;
        }
        if let Some(known) = origin.observer_state(&self.origins) {
            return Some(known);
        }
        let instruments = Arc::clone(self.instruments(options));
        let made = OriginMetrics::new(instruments, self.admission.labels(origin), options);
        Some(origin.observer_state_or_init(&self.origins, || made))
    }

    /// Made outside of the cell: views are the application's code, and making an instrument twice is harmless.
    fn instruments(&self, options: &Options) -> &Arc<Instruments> {
        if let Some(instruments) = self.instruments.get() {
            return instruments;
        }
        let meter = self.meter.clone().unwrap_or_else(|| global::meter_with_scope(scope()));
        let made = Arc::new(Instruments::new(&meter, options));
        self.instruments.get_or_init(|| made)
    }

    pub(crate) fn attempt_active(&self, attempt: &Attempt, method: MethodId, options: &Options, change: i64) {
        if let Some(origin) = self.of(attempt.origin(), options) {
            origin.active(attempt, method, options, change);
        }
    }

    pub(crate) fn attempt_duration(
        &self,
        attempt: &Attempt,
        state: &AttemptState,
        options: &Options,
        outcome: &Outcome,
        end: Instant,
    ) {
        if let Some(origin) = self.of(attempt.origin(), options) {
            let took = end.saturating_duration_since(attempt.start_time());
            origin.attempt_duration(attempt, state.method, options, outcome, took);
            if let Some((method, end)) = state.rpc.as_ref().zip(RpcEnd::of(attempt, outcome)) {
                origin.rpc_duration(method, end, options, took);
            }
        }
    }

    pub(crate) fn attempt_ended(
        &self,
        attempt: &Attempt,
        method: MethodId,
        options: &Options,
        outcome: &Outcome,
        end: Instant,
    ) {
        let Some(origin) = self.of(attempt.origin(), options) else { return };
        origin.attempt_ended(attempt, method, options, outcome, end);
        let Some(connection) = attempt.connection() else { return };
        if let Some((origin, state)) = self.counted(&connection, options) {
            origin.connection_io(&connection, state);
        }
    }

    pub(crate) fn retry_decided(
        &self,
        origin: &Origin,
        reason: RetryReason,
        limit: Option<RetryLimit>,
        options: &Options,
    ) {
        if let Some(origin) = self.of(origin, options) {
            origin.retry(reason, limit);
        }
    }

    pub(crate) fn released(&self, origin: &Origin, release: Release, options: &Options) {
        if let Some(origin) = self.of(origin, options) {
            origin.released(release);
        }
    }

    pub(crate) fn call_ended(
        &self,
        origin: &Origin,
        outcome: &'static str,
        attempts: u64,
        waited: Option<Duration>,
        options: &Options,
    ) {
        if let Some(origin) = self.of(origin, options) {
            origin.call_ended(outcome, attempts, waited);
        }
    }

    pub(crate) fn connect_ended(&self, setup: &Setup, result: &ConnectResult<'_>, options: &Options) {
        if let Some(origin) = self.of(setup.origin(), options) {
            origin.connect_ended(setup, result);
        }
    }

    pub(crate) fn connect_wasted(&self, setup: &Setup, options: &Options) {
        if let Some(origin) = self.of(setup.origin(), options) {
            origin.wasted();
        }
    }

    pub(crate) fn slots(&self, origin: &Origin, gauge: SlotGauge, change: i64, options: &Options) {
        if let Some(origin) = self.of(origin, options) {
            origin.slots(gauge, change);
        }
    }

    /// Only a connection that was told to be open is counted further on.
    pub(crate) fn connection_opened(&self, connection: &Connection, options: &Options) {
        if let Some(origin) = self.of(connection.origin(), options) {
            let state = origin.connection_opened(connection);
            connection.observer_state_or_init(&self.connections, || state);
        }
    }

    /// `None` for a connection that was not counted when it opened.
    fn counted<'a>(
        &self,
        connection: &'a Connection,
        options: &Options,
    ) -> Option<(&'a OriginMetrics, &'a ConnectionState)> {
        let state = connection.observer_state(&self.connections)?;
        Some((self.of(connection.origin(), options)?, state))
    }

    pub(crate) fn connection_active(&self, connection: &Connection, options: &Options) {
        if let Some((origin, state)) = self.counted(connection, options) {
            origin.connection_active(connection, state);
        }
    }

    pub(crate) fn connection_idle(&self, connection: &Connection, options: &Options) {
        if let Some((origin, state)) = self.counted(connection, options) {
            origin.connection_idle(state);
        }
    }

    pub(crate) fn connection_closed(&self, connection: &Connection, closed: &Closed, options: &Options) {
        if let Some((origin, state)) = self.counted(connection, options) {
            origin.connection_closed(connection, state, closed);
        }
    }
}
