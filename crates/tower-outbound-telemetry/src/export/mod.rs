//! How telemetry leaves the process.
//!
//! ```text
//! spans ──▶ queue (bounded) ──┐
//!                             ├─▶ the export thread: courier ─▶ transport ─▶ the receiver
//! metrics ──▶ SDK's reader ───┘            └─▶ ledger, health
//! ```
//!
//! The SDK's own processor and exporters do not say what they lose, wait without a limit when they end, and
//! need a runtime that nobody blocks; so these parts are ours. What they send with is an `OutboundClient`.

mod courier;
mod grpc;
mod health;
mod http;
mod ledger;
mod metrics;
mod self_metrics;
mod spans;
mod thread;
mod tls;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use tokio::sync::watch;
use tokio::time::Instant;
use tower_outbound::OutboundClient;

use self::courier::{Courier, Cutoff};
use self::health::Health;
pub(super) use self::ledger::Ledger;
pub(super) use self::metrics::MetricExporter;
pub(super) use self::self_metrics::SelfMetrics;
pub(super) use self::spans::SpanQueue;
pub(super) use self::thread::ExportThread;
use self::transport::{Signal, Transport};
use crate::settings::{Batch, Export};
use crate::{TelemetryError, Warning};

/// What a flush of one signal may take.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

/// Sets the time at which everything of a signal must have ended.
pub(super) type EndBy = watch::Sender<Option<Instant>>;

/// What both signals' exporters are made with.
pub(super) struct Exporters<'a> {
    pub(super) thread: &'a ExportThread,
    /// In place of one for each signal.
    pub(super) client: Option<&'a OutboundClient>,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) warnings: &'a mut Vec<Warning>,
}

impl Exporters<'_> {
    pub(super) fn spans(
        &mut self,
        export: &Export,
        batch: &Batch,
        resource: &Resource,
    ) -> Result<SpanQueue, TelemetryError> {
        let (end_by, cutoff) = watch::channel(None);
        let courier = self.courier(export, Signal::Traces, batch.timeout, cutoff)?;
        Ok(SpanQueue::start(self.thread, courier, end_by, batch, resource, Arc::clone(self.ledger)))
    }

    pub(super) fn metrics(
        &mut self,
        export: &Export,
        timeout: Duration,
        temporality: Temporality,
    ) -> Result<(MetricExporter, EndBy), TelemetryError> {
        let (end_by, cutoff) = watch::channel(None);
        let exporter = MetricExporter {
            export_thread: self.thread.handle(),
            courier: Arc::new(self.courier(export, Signal::Metrics, timeout, cutoff)?),
            ledger: Arc::clone(self.ledger),
            temporality,
        };
        Ok((exporter, end_by))
    }

    fn courier(
        &mut self,
        export: &Export,
        signal: Signal,
        timeout: Duration,
        cutoff: Cutoff,
    ) -> Result<Courier, TelemetryError> {
        let health = Health::new(export.shown(), signal, Arc::clone(self.ledger));
        let transport = Transport::new(export, signal, self.client.cloned(), self.warnings)?;
        Ok(Courier { transport, health, timeout: timeout.min(export.timeout), cutoff })
    }
}
