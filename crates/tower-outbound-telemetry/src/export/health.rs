//! Logs failing exports, at most once in a while, and their recovery.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Signal;
use super::stats::ExportStats;
use crate::Loss;
use crate::announcement::Announcement;

/// Minimum time between two warnings of one kind.
const SILENCE: Duration = Duration::from_secs(60);
const TARGET: &str = "tower_outbound_telemetry";

/// The health of one signal's export.
#[derive(Debug)]
pub(super) struct Health {
    endpoint: String,
    signal: Signal,
    stats: Arc<ExportStats>,
    announcement: Arc<Announcement>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the last attempt; `None` if it succeeded.
    loss: Option<Loss>,
    /// What the receiver or the client said last of a failure.
    cause: String,
    /// An attempt has succeeded.
    worked: bool,
    /// A failure is logged, and no recovery since.
    failing: bool,
    failed: Limit,
    lost: Limit,
    warned: Limit,
    full: Limit,
}

/// The time of the last warning of a kind.
#[derive(Debug, Default)]
struct Limit(Option<Instant>);

impl Health {
    pub(super) fn new(
        endpoint: String,
        signal: Signal,
        stats: Arc<ExportStats>,
        announcement: Arc<Announcement>,
    ) -> Self {
        Self { endpoint, signal, stats, announcement, state: Mutex::default() }
    }

    /// An export begins.
    pub(super) fn begins(&self) {
        self.announcement.log();
    }

    pub(super) fn stats(&self) -> &Arc<ExportStats> {
        &self.stats
    }

    /// An attempt failed. A failure without a retry is logged by [`settled`](Self::settled), when its losses are counted.
    pub(super) fn fails(&self, loss: Loss, cause: &str, retried: bool) {
        let due = {
            let mut state = self.state();
            state.loss = Some(loss);
            cause.clone_into(&mut state.cause);
            let due = retried && state.failed.is_due();
            state.failing |= due;
            due
        };
        if due {
            let (endpoint, signal, lost) = (&*self.endpoint, self.signal.name(), self.lost());
            tracing::warn!(target: TARGET, endpoint, signal, cause, lost, "telemetry export failed, it is retried");
        }
    }

    /// An attempt succeeded; the receiver may have said something of a part.
    pub(super) fn works(&self, said: &str) {
        let (was_failing, warned) = {
            let mut state = self.state();
            (state.loss, state.worked) = (None, true);
            let warned = !said.is_empty() && state.warned.is_due();
            if !said.is_empty() {
                said.clone_into(&mut state.cause);
            }
            (std::mem::take(&mut state.failing), warned)
        };
        let (endpoint, signal, lost) = (&*self.endpoint, self.signal.name(), self.lost());
        if was_failing {
            tracing::info!(target: TARGET, endpoint, signal, lost, "telemetry export works again");
        }
        if warned {
            tracing::warn!(target: TARGET, endpoint, signal, said, "the receiver took telemetry with a remark");
        }
    }

    /// What the last attempt failed with, if it failed.
    pub(super) fn last_loss(&self) -> Option<Loss> {
        self.state().loss
    }

    pub(super) fn has_worked(&self) -> bool {
        self.state().worked
    }

    /// Items were lost for this reason, and are counted.
    pub(super) fn loses(&self, reason: Loss) {
        let due = {
            let mut state = self.state();
            let due = state.lost.is_due();
            state.failing |= due && state.loss.is_some();
            due.then(|| state.cause.clone())
        };
        if let Some(cause) = due {
            let (endpoint, signal, lost) = (&*self.endpoint, self.signal.name(), self.lost());
            let reason = reason.as_str();
            tracing::warn!(target: TARGET, endpoint, signal, reason, cause, lost, "telemetry was lost");
        }
    }

    /// `lost` spans found the queue full so far.
    pub(super) fn overflows(&self, lost: u64) {
        let due = self.state().full.is_due();
        if due {
            let endpoint = &*self.endpoint;
            tracing::warn!(target: TARGET, endpoint, lost, "spans are lost: the queue is full");
        }
    }

    fn lost(&self) -> u64 {
        match self.signal {
            Signal::Traces => self.stats.spans.tally().lost(),
            Signal::Metrics => self.stats.metric_exports.tally().lost(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limit {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.0.is_none_or(|last| now.duration_since(last) >= SILENCE);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The lines of ten minutes, with two attempts in two seconds.
    async fn lines(fail: impl Fn(&Health)) -> usize {
        let lines = Lines::default();
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        let health = Health::new("endpoint".into(), Signal::Traces, Arc::default(), Arc::default());
        for _ in 0..300 {
            fail(&health);
            tokio::time::advance(Duration::from_secs(1)).await;
            health.works("");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        lines.0.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn export_health_flapping_receiver_logged_once_a_minute() {
        let retried = lines(|health| health.fails(Loss::Rejected, "503", true)).await;
        assert_eq!(retried, 20, "that it fails, and that it works again");
        let lost = lines(|health| {
            health.fails(Loss::Rejected, "401", false);
            health.loses(Loss::Rejected);
        });
        assert_eq!(lost.await, 20, "that telemetry was lost, and that it works again");
        assert_eq!(lines(|health| health.works("slow down")).await, 10);
        assert_eq!(lines(|health| health.overflows(1)).await, 10);
    }
}
