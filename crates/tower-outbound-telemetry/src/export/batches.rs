//! The other end of the queue: exports in batches, some at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc as commands;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::batch::{Batch, Item, SpanMaker};
use super::outcome::{Outcome, passed, run};
use super::spans::{Runner, Shared};
use crate::Loss;

/// An export ends with the shutdown's time. The rest is for one that blocks its thread: it is given up.
const GRACE: Duration = Duration::from_millis(100);
/// Between two looks at a queue that is full.
const OVERFLOW_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Command {
    Flush(Sender<()>),
    ShutDown(Sender<()>),
}

pub(super) struct Batches {
    queue: Receiver<Item>,
    /// What the last batch had no room for.
    rest: VecDeque<Item>,
    maker: Arc<SpanMaker>,
    shared: Arc<Shared>,
    runner: Runner,
    runtime: Handle,
    /// The exports that run: how many spans each has, and what became of them.
    running: JoinSet<(usize, Outcome)>,
    /// The spans of these exports.
    exporting: usize,
    /// How many spans of the queue are exported although they do not fill a batch.
    due: usize,
}

impl Batches {
    pub(super) fn new(queue: Receiver<Item>, shared: Arc<Shared>, runner: Runner, runtime: Handle) -> Self {
        let (rest, maker) = (VecDeque::new(), Arc::new(SpanMaker::new(runner.limits)));
        Self { queue, rest, maker, shared, runner, runtime, running: JoinSet::new(), exporting: 0, due: 0 }
    }

    pub(super) async fn run(mut self, mut commands: commands::UnboundedReceiver<Command>, delay: Duration) {
        let mut tick = interval(delay);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Arc::clone(&self.shared);
        loop {
            let queued = self.queued();
            if shared.crowded.swap(false, Relaxed) {
                self.due = queued;
            }
            let ready = (queued >= shared.size || self.due > 0) && self.has_room();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Flush(done)) => {
                        self.flush().await;
                        let _ = done.send(());
                    }
                    Some(Command::ShutDown(done)) => {
                        self.last_batches().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                () = shared.overflow.notified() => self.overflows(),
                _ = self.next_done(), if self.exporting > 0 => {}
                _ = tick.tick() => self.due = queued,
                () = yield_now(), if ready => drop(self.start()),
                () = shared.full_batch.notified(), if !ready => {}
            }
        }
    }

    /// Exports the spans queued now; stops at the first lost batch.
    async fn flush(&mut self) {
        self.due = self.queued();
        loop {
            while self.due > 0 && self.has_room() {
                self.start();
            }
            if self.exporting == 0 {
                break;
            }
            let _ = self.next_done().await;
        }
        let (exporter, runtime) = (Arc::clone(&self.runner.exporter), &self.runtime);
        let mut cutoff = self.runner.cutoff.clone();
        tokio::select! {
            _ = runtime.spawn_blocking(move || exporter.flush()) => {}
            () = passed(&mut cutoff) => {}
        }
    }

    /// Exports the rest. After a batch that was refused, or when the time is up, further batches are lost alike.
    async fn last_batches(&mut self) {
        let mut gone = None;
        loop {
            while gone.is_none() && self.queued() > 0 && self.has_room() {
                // A span is counted a moment before it is queued.
                if !self.start() {
                    yield_now().await;
                }
            }
            if let Some(reason) = gone {
                let (_, count) = self.take(usize::MAX);
                self.settle(count, Err(reason));
            }
            if self.exporting > 0 {
                let lost = self.next_done().await.err();
                gone = gone.or(lost.filter(|reason| *reason == Loss::Refused || self.has_ended()));
            } else if self.queued() == 0 {
                break;
            } else {
                yield_now().await;
            }
        }
        let exporter = Arc::clone(&self.runner.exporter);
        let mut cutoff = self.runner.cutoff.clone();
        let end = cutoff.borrow().map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
        tokio::select! {
            _ = self.runtime.spawn_blocking(move || exporter.close(end)) => {}
            () = passed(&mut cutoff) => {}
        }
    }

    fn queued(&self) -> usize {
        self.shared.queued.load(SeqCst)
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.runner.concurrent
    }

    fn has_ended(&self) -> bool {
        self.runner.cutoff.borrow().is_some_and(|end| Instant::now() >= end)
    }

    /// Takes at most so many spans from the queue; the number of those taken.
    fn take(&mut self, most: usize) -> (Batch, usize) {
        let mut items = Vec::with_capacity(self.queued().min(most));
        let mut taken = 0;
        while taken < most {
            let Some(item) = self.rest.pop_front().or_else(|| self.queue.try_recv().ok()) else { break };
            let spans = item.spans();
            match item {
                _ if taken + spans <= most => {
                    taken += spans;
                    items.push(item);
                }
                // It would never fit: its spans are made now.
                Item::Attempt(attempt) if spans > self.shared.size => {
                    let rest = &mut self.rest;
                    self.maker.make(&attempt, |span| rest.push_back(Item::Span(span)));
                }
                item => {
                    self.rest.push_front(item);
                    break;
                }
            }
        }
        self.shared.queued.fetch_sub(taken, SeqCst);
        (Batch { items, maker: Arc::clone(&self.maker) }, taken)
    }

    /// Starts to export a batch; `false` if the queue is empty.
    fn start(&mut self) -> bool {
        let (batch, count) = self.take(self.shared.size);
        self.due = self.due.saturating_sub(count.max(1));
        if count == 0 {
            return false;
        }
        self.exporting += count;
        let (exporter, health) = (Arc::clone(&self.runner.exporter), Arc::clone(&self.runner.health));
        let (runtime, cutoff) = (self.runtime.clone(), self.runner.cutoff.clone());
        // The encoding takes a while, and an exporter may block.
        let export = move || {
            let export = run(&runtime, cutoff, &health, exporter.send(batch));
            (count, futures_executor::block_on(export))
        };
        self.running.spawn_blocking_on(export, &self.runtime);
        true
    }

    /// Waits until an export has ended, and counts it.
    ///
    /// # Cancel safety
    /// Safe.
    async fn next_done(&mut self) -> Result<(), Loss> {
        let mut cutoff = self.runner.cutoff.clone();
        let (count, outcome) = tokio::select! {
            biased;
            done = self.running.join_next() => match done {
                Some(Ok(done)) => done,
                // A panic is caught, and the runtime is alive.
                Some(Err(_)) | None => (0, Ok(0)),
            },
            () = async { passed(&mut cutoff).await; sleep(GRACE).await } => {
                self.running.detach_all();
                (self.exporting, Err(Loss::TimedOut))
            }
        };
        self.exporting -= count;
        self.settle(count, outcome);
        if outcome.is_err() {
            self.due = 0;
        }
        outcome.map(drop)
    }

    fn settle(&self, count: usize, outcome: Outcome) {
        if let Some(reason) = self.shared.stats.spans.settle(count as u64, outcome) {
            self.runner.health.loses(reason);
        }
    }

    /// Logs, and looks again later.
    fn overflows(&self) {
        let lost = self.shared.stats.spans.tally().lost_by(Loss::QueueFull);
        self.runner.health.overflows(lost);
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move {
            sleep(OVERFLOW_PAUSE).await;
            shared.overflowed.store(false, Relaxed);
        });
    }
}
