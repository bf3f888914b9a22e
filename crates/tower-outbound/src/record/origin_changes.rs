//! What has lately changed among the connections of an origin.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The ends of connections and the setups of an origin.
#[derive(Debug, Default)]
pub(super) struct OriginChanges(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    /// Setups that run now.
    setups: u64,
    setup_ended: Option<Instant>,
    connection_ended: Option<Instant>,
}

impl OriginChanges {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn setup_started(&self) {
        self.changes().setups += 1;
    }

    pub(super) fn setup_ended(&self, at: Instant) {
        let mut changes = self.changes();
        changes.setups = changes.setups.saturating_sub(1);
        changes.setup_ended = Some(at);
    }

    pub(super) fn connection_ended(&self, at: Instant) {
        self.changes().connection_ended = Some(at);
    }

    /// When a tracked connection last ended, and since when nothing has changed; `None` while a setup runs, and before
    /// any end.
    pub(super) fn last_end(&self) -> Option<(Instant, Instant)> {
        let changes = self.changes();
        let ended = changes.connection_ended.filter(|_| changes.setups == 0)?;
        Some((ended, changes.setup_ended.map_or(ended, |setup| setup.max(ended))))
    }
}
