//! Makes the exporters of both signals.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::{
    MetricExporter as OtlpMetrics, Protocol, RetryPolicy, SpanExporter as OtlpSpans, WithExportConfig,
    WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::SpanLimits;
use tokio::sync::watch;
use tokio::time::Instant;
use tower_outbound::OutboundClient;
use tracing::dispatcher::{Dispatch, with_default};

use super::answer::Signal;
use super::delivery::Delivery;
use super::exporter::{MetricExport, SpanExport};
use super::health::Health;
use super::metrics::MetricExporter;
use super::outcome::Cutoff;
use super::protobuf_spans::ProtobufSpans;
use super::spans::{Runner, SpanQueue};
use super::stats::ExportStats;
use super::thread::ExportThread;
use super::transport::Transport;
use crate::announcement::Announcement;
use crate::settings::{Batch, Export, OtlpProtocol};
use crate::{TelemetryError, Warning};

/// Sets the end of a signal's deliveries.
pub(crate) type EndBy = watch::Sender<Option<Instant>>;

/// OTLP asks for concurrent requests: with a receiver far away, one at a time is less than a service records.
const CONCURRENT: usize = 4;

/// Exporters to use instead of OTLP's.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) spans: Option<Box<dyn SpanExport>>,
    pub(crate) metrics: Option<Box<dyn MetricExport>>,
}

impl Given {
    pub(crate) fn names(&self) -> [Option<&'static str>; 2] {
        [self.spans.as_ref().map(|spans| spans.name()), self.metrics.as_ref().map(|metrics| metrics.name())]
    }
}

/// The parts that both exporters use.
pub(crate) struct Exporters<'a> {
    pub(crate) thread: &'a ExportThread,
    /// The given client; `None`: one for each signal.
    pub(crate) client: Option<&'a OutboundClient>,
    pub(crate) given: &'a mut Given,
    pub(crate) stats: &'a Arc<ExportStats>,
    pub(crate) warnings: &'a mut Vec<Warning>,
    pub(crate) announcement: &'a Arc<Announcement>,
}

impl Exporters<'_> {
    pub(crate) fn spans(
        &mut self,
        export: &Export,
        batch: &Batch,
        limits: SpanLimits,
        resource: &Resource,
    ) -> Result<SpanQueue, TelemetryError> {
        let (end_by, cutoff) = watch::channel(None);
        let (mut exporter, health, concurrent) = match self.given.spans.take() {
            // An exporter need not be prepared for a second call at the same time.
            Some(given) => {
                let health = self.health(given.name().to_owned(), Signal::Traces);
                (given, health, 1)
            }
            None => {
                let delivery = self.delivery(export, Signal::Traces, batch.timeout, cutoff.clone())?;
                let health = Arc::clone(&delivery.health);
                (otlp_spans(export.protocol, delivery)?, health, CONCURRENT)
            }
        };
        exporter.describe(resource);
        Ok(SpanQueue::start(
            self.thread,
            Runner { exporter: exporter.into(), health, limits, cutoff, concurrent },
            end_by,
            batch,
        ))
    }

    pub(crate) fn metrics(
        &mut self,
        export: &Export,
        timeout: Duration,
        temporality: Temporality,
    ) -> Result<(MetricExporter, EndBy), TelemetryError> {
        let (end_by, cutoff) = watch::channel(None);
        let (exporter, health) = match self.given.metrics.take() {
            Some(given) => {
                let health = self.health(given.name().to_owned(), Signal::Metrics);
                (given, health)
            }
            None => {
                let delivery = self.delivery(export, Signal::Metrics, timeout, cutoff.clone())?;
                let health = Arc::clone(&delivery.health);
                let otlp = OtlpMetrics::builder().with_http().with_temporality(temporality);
                let built = quietly(|| configured(otlp, export.protocol, delivery).build());
                let built =
                    built.map_err(|error| TelemetryError::new("building the metric exporter", error))?;
                (Box::new(built) as Box<dyn MetricExport>, health)
            }
        };
        Ok((MetricExporter { runtime: self.thread.handle(), exporter, cutoff, health }, end_by))
    }

    fn delivery(
        &mut self,
        export: &Export,
        signal: Signal,
        timeout: Duration,
        cutoff: Cutoff,
    ) -> Result<Delivery, TelemetryError> {
        let health = self.health(export.shown(), signal);
        let transport = Transport::new(export, signal, self.client.cloned(), self.warnings)?;
        Ok(Delivery { transport, health, timeout: timeout.min(export.timeout), cutoff })
    }

    fn health(&self, endpoint: String, signal: Signal) -> Arc<Health> {
        Arc::new(Health::new(endpoint, signal, Arc::clone(self.stats), Arc::clone(self.announcement)))
    }
}

fn otlp_spans(protocol: OtlpProtocol, delivery: Delivery) -> Result<Box<dyn SpanExport>, TelemetryError> {
    if protocol != OtlpProtocol::HttpJson {
        return Ok(Box::new(ProtobufSpans::new(delivery)));
    }
    let otlp = OtlpSpans::builder().with_http();
    let built = quietly(|| configured(otlp, protocol, delivery).build());
    let built = built.map_err(|error| TelemetryError::new("building the span exporter", error))?;
    Ok(Box::new(built))
}

/// Every setting that the exporter would read from the environment, except for those that the delivery ignores.
fn configured<B>(builder: B, protocol: OtlpProtocol, delivery: Delivery) -> B
where
    B: WithExportConfig + WithHttpConfig,
{
    let body = match protocol {
        OtlpProtocol::HttpJson => Protocol::HttpJson,
        OtlpProtocol::Grpc | OtlpProtocol::HttpProtobuf => Protocol::HttpBinary,
    };
    builder
        .with_protocol(body)
        .with_endpoint(delivery.transport.uri().to_string())
        .with_timeout(delivery.timeout)
        .with_retry_policy(RetryPolicy::disabled())
        .with_http_client(delivery)
}

/// Without the exporter's log: it warns of variables that it does not use.
fn quietly<T>(build: impl FnOnce() -> T) -> T {
    // Not a `NoSubscriber` of its own: `tracing` would take it for one that wants every level.
    with_default(&Dispatch::none(), build)
}
