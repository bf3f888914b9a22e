//! The queue between the spans that end and the thread that exports them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::{Notify, mpsc as commands, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::courier::Courier;
use super::ledger::Ledger;
use super::thread::ExportThread;
use crate::telemetry::Loss;
use crate::telemetry::sampler::is_exported;
use crate::telemetry::settings::Batch;

/// What a flush may take.
const FLUSH: Duration = Duration::from_secs(5);

/// Takes spans that have ended, without waiting: one that finds the queue full is counted and gone.
///
/// The SDK's own processor says neither what it dropped nor what its exporter lost.
#[derive(Debug)]
pub(in crate::telemetry) struct SpanQueue {
    queue: SyncSender<SpanData>,
    shared: Arc<Shared>,
    commands: commands::UnboundedSender<Command>,
    cutoff: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Shared {
    queued: AtomicUsize,
    /// Of a batch.
    size: usize,
    full_batch: Notify,
    ledger: Arc<Ledger>,
}

#[derive(Debug)]
enum Command {
    Flush(mpsc::Sender<()>),
    ShutDown(mpsc::Sender<()>),
}

/// The other end of the queue.
struct Exporter {
    queue: Receiver<SpanData>,
    shared: Arc<Shared>,
    courier: Courier,
    resource: ResourceAttributesWithSchema,
}

impl SpanQueue {
    /// `cutoff` is what the courier watches.
    pub(super) fn start(
        thread: &ExportThread,
        courier: Courier,
        cutoff: watch::Sender<Option<Instant>>,
        batch: &Batch,
        resource: &Resource,
        ledger: Arc<Ledger>,
    ) -> Self {
        let (queue, receiver) = sync_channel(batch.queue);
        let (commands, received) = commands::unbounded_channel();
        let full_batch = Notify::new();
        let shared = Arc::new(Shared { queued: AtomicUsize::new(0), size: batch.size, full_batch, ledger });
        let exporter =
            Exporter { queue: receiver, shared: Arc::clone(&shared), courier, resource: resource.into() };
        thread.spawn(exporter.run(received, batch.delay));
        Self { queue, shared, commands, cutoff }
    }

    /// Whether it was done in time.
    fn command(&self, command: impl FnOnce(mpsc::Sender<()>) -> Command, limit: Duration) -> OTelSdkResult {
        let (done, wait) = mpsc::channel();
        self.commands.send(command(done)).map_err(|_| OTelSdkError::AlreadyShutdown)?;
        wait.recv_timeout(limit).map_err(|_| OTelSdkError::Timeout(limit))
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !is_exported(&span) {
            return;
        }
        // Counted first, so that the exporter never takes off what was not yet added.
        let queued = self.shared.queued.fetch_add(1, Relaxed) + 1;
        let reason = match self.queue.try_send(span) {
            Ok(()) => {
                if queued == self.shared.size {
                    self.shared.full_batch.notify_one();
                }
                return;
            }
            Err(TrySendError::Full(_)) => Loss::QueueFull,
            Err(TrySendError::Disconnected(_)) => Loss::ShutDown,
        };
        self.shared.queued.fetch_sub(1, Relaxed);
        self.shared.ledger.spans.lose(reason, 1);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.command(Command::Flush, FLUSH)
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.cutoff.send_replace(Some(Instant::now() + limit));
        // The exporter keeps to the time by itself; the rest is for what it has to count then.
        self.command(Command::ShutDown, limit + Duration::from_millis(200))
    }
}

impl Exporter {
    async fn run(mut self, mut commands: commands::UnboundedReceiver<Command>, delay: Duration) {
        let mut tick = interval(delay);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let full = self.shared.queued.load(Relaxed) >= self.shared.size;
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Flush(done)) => {
                        self.drain().await;
                        let _ = done.send(());
                    }
                    Some(Command::ShutDown(done)) => {
                        self.last_batches().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                _ = tick.tick() => self.drain().await,
                () = std::future::ready(()), if full => {
                    let batch = self.take();
                    let _ = self.export(batch).await;
                }
                () = self.shared.full_batch.notified(), if !full => {}
            }
        }
    }

    /// What waits now, until a batch is lost.
    async fn drain(&mut self) {
        for _ in 0..self.shared.queued.load(Relaxed).div_ceil(self.shared.size) {
            let batch = self.take();
            if self.export(batch).await.is_err() {
                return;
            }
        }
    }

    /// The rest goes the way of a batch that found nobody there, or that ran out of time.
    async fn last_batches(&mut self) {
        loop {
            let batch = self.take();
            if batch.is_empty() {
                return;
            }
            let Err(reason) = self.export(batch).await else { continue };
            if reason == Loss::Refused || self.courier.has_ended() {
                let rest = self.queue.try_iter().count() as u64;
                self.shared.ledger.spans.lose(reason, rest);
                return;
            }
        }
    }

    /// Up to one batch of what waits.
    fn take(&self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        while batch.len() < self.shared.size {
            match self.queue.try_recv() {
                Ok(span) => batch.push(span),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        batch
    }

    async fn export(&mut self, batch: Vec<SpanData>) -> Result<(), Loss> {
        let count = batch.len();
        if count == 0 {
            return Ok(());
        }
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let outcome = self.courier.deliver(&ExportTraceServiceRequest { resource_spans }).await;
        let ledger = &self.shared.ledger;
        ledger.spans.settle(count as u64, outcome);
        // Only now: what is under way counts as queued, so that a flush waits for it.
        self.shared.queued.fetch_sub(count, Relaxed);
        self.courier.health.overflows(ledger.spans.tally().lost_by(Loss::QueueFull));
        outcome.map(drop)
    }
}
