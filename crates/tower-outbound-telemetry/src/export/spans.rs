//! The queue between ended spans and the export thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanLimits, SpanProcessor};
use tokio::sync::{Notify, mpsc as commands};
use tokio::time::Instant;

use super::batch::Item;
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
    queue: SyncSender<Item>,
    shared: Arc<Shared>,
    commands: commands::UnboundedSender<Command>,
    end_by: EndBy,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// The spans in the queue, made or not.
    pub(super) queued: AtomicUsize,
    /// The most spans in the queue.
    capacity: usize,
    /// The rest of the queue was too small for an attempt: there may be no full batch.
    pub(super) crowded: AtomicBool,
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
    pub(super) limits: SpanLimits,
    /// Ends the exports.
    pub(super) cutoff: Cutoff,
}

impl SpanQueue {
    pub(super) fn start(thread: &ExportThread, runner: Runner, end_by: EndBy, batch: &Batch) -> Self {
        let (queue, receiver) = sync_channel(batch.queue);
        let (commands, received) = commands::unbounded_channel();
        let shared = Arc::new(Shared {
            queued: AtomicUsize::new(0),
            capacity: batch.queue,
            crowded: AtomicBool::new(false),
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

    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.load(Relaxed)
    }

    /// Queues spans, or counts them as lost.
    pub(super) fn queue(&self, item: Item) {
        let (shared, spans) = (&*self.shared, item.spans());
        let Err(reason) = self.add(item, spans) else { return };
        shared.stats.spans.lose(reason, spans as u64);
        if reason == Loss::QueueFull {
            if spans > 1 {
                shared.crowded.store(true, Relaxed);
                shared.full_batch.notify_one();
            }
            if !shared.overflowed.swap(true, Relaxed) {
                shared.overflow.notify_one();
            }
        }
    }

    /// Queues spans, or returns why they are lost.
    fn add(&self, item: Item, spans: usize) -> Result<(), Loss> {
        let shared = &*self.shared;
        if self.is_closed() {
            return Err(Loss::ShutDown);
        }
        // Counted first: the exporter must not subtract a span before it is added, nor end before it is queued. An attempt
        // of more spans than the queue has room for has the queue for itself.
        let room = |queued| (queued == 0 || queued + spans <= shared.capacity).then_some(queued + spans);
        let before = shared.queued.fetch_update(SeqCst, SeqCst, room).map_err(|_| Loss::QueueFull)?;
        let queued = match shared.closed.load(SeqCst) {
            true => Err(Loss::ShutDown),
            false => self.queue.try_send(item).map_err(|error| match error {
                TrySendError::Full(_) => Loss::QueueFull,
                TrySendError::Disconnected(_) => Loss::ShutDown,
            }),
        };
        match queued {
            Ok(()) if before < shared.size && before + spans >= shared.size => {
                shared.full_batch.notify_one();
            }
            Ok(()) => {}
            Err(_) => drop(shared.queued.fetch_sub(spans, SeqCst)),
        }
        queued
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
        if is_exported(&span) {
            self.queue(Item::Span(span));
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
