//! Logs failing exports, at most once in a while, and their recovery.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Signal;
use super::stats::ExportStats;

/// Minimum time between two warnings of one kind.
const SILENCE: Duration = Duration::from_secs(60);
const TARGET: &str = "tower_outbound_telemetry";

/// The health of one signal's export.
#[derive(Debug)]
pub(super) struct Health {
    endpoint: String,
    signal: Signal,
    stats: Arc<ExportStats>,
    logged: Mutex<Logged>,
}

#[derive(Debug, Default)]
struct Logged {
    failed: Option<Instant>,
    /// A failure is logged, and no recovery since.
    failing: bool,
    full: Option<Instant>,
    overflowed: u64,
}

impl Health {
    pub(super) fn new(endpoint: String, signal: Signal, stats: Arc<ExportStats>) -> Self {
        Self { endpoint, signal, stats, logged: Mutex::default() }
    }

    /// An attempt failed.
    pub(super) fn fails(&self, cause: &str) {
        let due = {
            let mut logged = self.logged();
            let due = is_due(&mut logged.failed);
            logged.failing |= due;
            due
        };
        if due {
            let (endpoint, signal, lost) = (&*self.endpoint, self.signal.name(), self.lost());
            tracing::warn!(target: TARGET, endpoint, signal, cause, lost, "telemetry export failed");
        }
    }

    /// An attempt succeeded.
    pub(super) fn works(&self) {
        let was_failing = std::mem::take(&mut self.logged().failing);
        if was_failing {
            let (endpoint, signal, lost) = (&*self.endpoint, self.signal.name(), self.lost());
            tracing::info!(target: TARGET, endpoint, signal, lost, "telemetry export works again");
        }
    }

    /// `lost` spans found the queue full so far.
    pub(super) fn overflows(&self, lost: u64) {
        let due = {
            let mut logged = self.logged();
            let grown = lost > logged.overflowed;
            let due = grown && is_due(&mut logged.full);
            if due {
                logged.overflowed = lost;
            }
            due
        };
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

    fn logged(&self) -> std::sync::MutexGuard<'_, Logged> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_due(last: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let due = last.is_none_or(|last| now.duration_since(last) >= SILENCE);
    if due {
        *last = Some(now);
    }
    due
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

    #[tokio::test(start_paused = true)]
    async fn export_health_flapping_receiver_logged_once_a_minute() {
        let lines = Lines::default();
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        let health = Health::new("endpoint".into(), Signal::Traces, Arc::default());
        // Ten minutes, an attempt each second.
        for _ in 0..300 {
            health.fails("503");
            tokio::time::advance(Duration::from_secs(1)).await;
            health.works();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines.0.load(Ordering::Relaxed), 20, "that it fails, and that it works again");
    }
}
