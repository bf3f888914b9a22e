//! Makes the exporters of both signals.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use tokio::sync::watch;
use tokio::time::Instant;
use tower_outbound::OutboundClient;

use super::answer::Signal;
use super::client::{Cutoff, ExportClient};
use super::health::Health;
use super::metrics::MetricExporter;
use super::spans::SpanQueue;
use super::stats::ExportStats;
use super::thread::ExportThread;
use super::transport::Transport;
use crate::settings::{Batch, Export};
use crate::{TelemetryError, Warning};

/// Sets the end of a signal's deliveries.
pub(crate) type EndBy = watch::Sender<Option<Instant>>;

/// The parts that both exporters use.
pub(crate) struct Exporters<'a> {
    pub(crate) thread: &'a ExportThread,
    /// The given client; `None`: one for each signal.
    pub(crate) client: Option<&'a OutboundClient>,
    pub(crate) stats: &'a Arc<ExportStats>,
    pub(crate) warnings: &'a mut Vec<Warning>,
}

impl Exporters<'_> {
    pub(crate) fn spans(
        &mut self,
        export: &Export,
        batch: &Batch,
        resource: &Resource,
    ) -> Result<SpanQueue, TelemetryError> {
        let (end_by, cutoff) = watch::channel(None);
        let client = self.export_client(export, Signal::Traces, batch.timeout, cutoff)?;
        Ok(SpanQueue::start(self.thread, client, end_by, batch, resource, Arc::clone(self.stats)))
    }

    pub(crate) fn metrics(
        &mut self,
        export: &Export,
        timeout: Duration,
        temporality: Temporality,
    ) -> Result<(MetricExporter, EndBy), TelemetryError> {
        let (end_by, cutoff) = watch::channel(None);
        let exporter = MetricExporter {
            export_thread: self.thread.handle(),
            client: Arc::new(self.export_client(export, Signal::Metrics, timeout, cutoff)?),
            stats: Arc::clone(self.stats),
            temporality,
        };
        Ok((exporter, end_by))
    }

    fn export_client(
        &mut self,
        export: &Export,
        signal: Signal,
        timeout: Duration,
        cutoff: Cutoff,
    ) -> Result<ExportClient, TelemetryError> {
        let health = Health::new(export.shown(), signal, Arc::clone(self.stats));
        let transport = Transport::new(export, signal, self.client.cloned(), self.warnings)?;
        Ok(ExportClient { transport, health, timeout: timeout.min(export.timeout), cutoff })
    }
}
