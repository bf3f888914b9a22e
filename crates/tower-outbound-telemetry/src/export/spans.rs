//! The queue between ended spans and the export thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
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

use super::client::ExportClient;
use super::stats::ExportStats;
use super::thread::ExportThread;
use crate::Loss;
use crate::sampler::is_exported;
use crate::settings::{Batch, FLUSH_TIMEOUT, LONGEST_TIMEOUT};

/// Queues ended spans without waiting. A span that finds the queue full is dropped and counted.
///
/// The SDK's processor does not report dropped and lost spans.
#[derive(Clone, Debug)]
pub(crate) struct SpanQueue {
    queue: SyncSender<SpanData>,
    shared: Arc<Shared>,
    commands: commands::UnboundedSender<Command>,
    cutoff: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Shared {
    queued: AtomicUsize,
    /// The shutdown has begun.
    closed: AtomicBool,
    /// Spans per batch.
    size: usize,
    full_batch: Notify,
    stats: Arc<ExportStats>,
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
    client: ExportClient,
    resource: ResourceAttributesWithSchema,
}

impl SpanQueue {
    /// `cutoff` ends the client's deliveries.
    pub(super) fn start(
        thread: &ExportThread,
        client: ExportClient,
        cutoff: watch::Sender<Option<Instant>>,
        batch: &Batch,
        resource: &Resource,
        stats: Arc<ExportStats>,
    ) -> Self {
        let (queue, receiver) = sync_channel(batch.queue);
        let (commands, received) = commands::unbounded_channel();
        let full_batch = Notify::new();
        let (queued, closed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { queued, closed, size: batch.size, full_batch, stats });
        let exporter =
            Exporter { queue: receiver, shared: Arc::clone(&shared), client, resource: resource.into() };
        thread.spawn(exporter.run(received, batch.delay));
        Self { queue, shared, commands, cutoff }
    }

    /// Queues a span, or returns why it is lost.
    fn add(&self, span: SpanData) -> Result<(), Loss> {
        // Counted first: the exporter must not subtract a span before it is added, nor end before it is queued.
        let queued = self.shared.queued.fetch_add(1, SeqCst) + 1;
        if self.shared.closed.load(SeqCst) {
            return Err(Loss::ShutDown);
        }
        match self.queue.try_send(span) {
            Ok(()) => {
                if queued == self.shared.size {
                    self.shared.full_batch.notify_one();
                }
                Ok(())
            }
            Err(TrySendError::Full(_)) => {
                // Another thread may have counted this span as the one that fills a batch.
                self.shared.full_batch.notify_one();
                Err(Loss::QueueFull)
            }
            Err(TrySendError::Disconnected(_)) => Err(Loss::ShutDown),
        }
    }

    /// Waits for the exporter; an error if the time is up.
    fn command(&self, command: impl FnOnce(mpsc::Sender<()>) -> Command, timeout: Duration) -> OTelSdkResult {
        let (done, wait) = mpsc::channel();
        self.commands.send(command(done)).map_err(|_| OTelSdkError::AlreadyShutdown)?;
        wait.recv_timeout(timeout).map_err(|_| OTelSdkError::Timeout(timeout))
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !is_exported(&span) {
            return;
        }
        let stats = &self.shared.stats;
        if self.shared.closed.load(Relaxed) {
            stats.spans.lose(Loss::ShutDown, 1);
        } else if let Err(reason) = self.add(span) {
            stats.spans.lose(reason, 1);
            self.shared.queued.fetch_sub(1, SeqCst);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.command(Command::Flush, FLUSH_TIMEOUT)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if self.shared.closed.swap(true, SeqCst) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let timeout = timeout.min(LONGEST_TIMEOUT);
        self.cutoff.send_replace(Some(Instant::now() + timeout));
        // The exporter keeps the timeout; the rest is for its counting.
        self.command(Command::ShutDown, timeout + Duration::from_millis(200))
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

    /// Exports the spans queued now; stops at the first lost batch.
    async fn drain(&mut self) {
        for _ in 0..self.shared.queued.load(Relaxed).div_ceil(self.shared.size) {
            let batch = self.take();
            if self.export(batch).await.is_err() {
                return;
            }
        }
    }

    /// Exports the rest. After a batch that was refused, or when the time is up, further batches are lost alike.
    async fn last_batches(&mut self) {
        let mut gone = None;
        loop {
            let batch = self.take();
            match (batch.len(), gone) {
                // No span is being added, and the queue is closed for new ones.
                (0, _) if self.shared.queued.load(SeqCst) == 0 => return,
                (0, _) => tokio::task::yield_now().await,
                (count, Some(reason)) => self.settle(count, Err(reason)),
                (_, None) => {
                    let lost = self.export(batch).await.err();
                    gone = lost.filter(|reason| *reason == Loss::Refused || self.client.has_ended());
                }
            }
        }
    }

    /// Takes up to one batch.
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
        let outcome = self.client.deliver(&ExportTraceServiceRequest { resource_spans }).await;
        self.settle(count, outcome);
        self.client.health.overflows(self.shared.stats.spans.tally().lost_by(Loss::QueueFull));
        outcome.map(drop)
    }

    /// Counts first: a span must not be missing from both counts at any moment.
    fn settle(&self, count: usize, outcome: Result<u64, Loss>) {
        self.shared.stats.spans.settle(count as u64, outcome);
        self.shared.queued.fetch_sub(count, SeqCst);
    }
}

#[cfg(test)]
mod tests;
