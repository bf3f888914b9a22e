//! The queue between ended spans and the export thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::{Notify, mpsc as commands};
use tokio::time::Instant;

use super::batches::{Batches, Command};
use super::exporter::SpanExport;
use super::exporters::EndBy;
use super::health::Health;
use super::outcome::Cutoff;
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
    end_by: EndBy,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// The spans in the queue.
    pub(super) queued: AtomicUsize,
    /// The shutdown has begun.
    closed: AtomicBool,
    /// Spans per batch.
    pub(super) size: usize,
    pub(super) full_batch: Notify,
    /// A span has found the queue full, and this is not logged yet.
    pub(super) overflowed: AtomicBool,
    pub(super) overflow: Notify,
    pub(super) stats: Arc<ExportStats>,
}

/// How batches are exported.
pub(super) struct Runner {
    pub(super) exporter: Arc<dyn SpanExport>,
    /// The most exports at a time.
    pub(super) concurrent: usize,
    pub(super) health: Arc<Health>,
    /// Ends the exports.
    pub(super) cutoff: Cutoff,
}

impl SpanQueue {
    pub(super) fn start(thread: &ExportThread, runner: Runner, end_by: EndBy, batch: &Batch) -> Self {
        let (queue, receiver) = sync_channel(batch.queue);
        let (commands, received) = commands::unbounded_channel();
        let shared = Arc::new(Shared {
            queued: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            size: batch.size,
            full_batch: Notify::new(),
            overflowed: AtomicBool::new(false),
            overflow: Notify::new(),
            stats: Arc::clone(runner.health.stats()),
        });
        let runtime = thread.handle();
        let batches = Batches::new(receiver, Arc::clone(&shared), runner, runtime.clone());
        runtime.spawn(batches.run(received, batch.delay));
        Self { queue, shared, commands, end_by }
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
            if reason == Loss::QueueFull && !self.shared.overflowed.swap(true, Relaxed) {
                self.shared.overflow.notify_one();
            }
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
        self.end_by.send_replace(Some(Instant::now() + timeout));
        // The exports keep the timeout; the rest is for one that blocks, and for the counting.
        self.command(Command::ShutDown, timeout + Duration::from_millis(400))
    }
}

#[cfg(test)]
mod tests;
