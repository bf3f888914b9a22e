//! Resets: connections leave the pool, and those of a silent origin are cut where requests wait for their places.

use std::time::Duration;

use tokio::time::Instant;

use super::core::Core;
use super::state::Why;
use crate::record::{OriginParts, OwnPool, Reset};
use crate::settings::PoolSettings;
use crate::util::list::Key;

impl<B: Send> OwnPool for Core<B> {
    fn close(&self) {
        self.close();
    }

    fn reset(&self, origin: Option<OriginParts<'_>>) -> Reset {
        let origin = match origin {
            None => None,
            Some(parts) => match self.origin(parts) {
                Some((key, _)) => Some(key),
                None => return Reset::default(),
            },
        };
        let mut reset = self.with(|state, _, deferred| state.retire_all(origin, Why::Reset, deferred));
        reset.cut = self.cut_silent(Instant::now(), None).0;
        reset.draining = reset.draining.saturating_sub(reset.cut);
        // Others may become silent.
        self.look();
        reset
    }

    fn recover(&self, origin: OriginParts<'_>, silence: Duration) -> Reset {
        let Some((origin, _)) = self.origin(origin) else { return Reset::default() };
        let (mut reset, owing) =
            self.with(|state, now, deferred| state.recover(origin, silence, now(), deferred));
        owing.iter().for_each(|connection| connection.cut());
        reset.cut = owing.len();
        reset.draining = reset.draining.saturating_sub(reset.cut);
        self.look();
        reset
    }

    fn has_connection(&self, origin: OriginParts<'_>) -> bool {
        let Some((origin, _)) = self.origin(origin) else { return false };
        self.with(|state, _, _| state.has_live(origin))
    }

    fn make_room(&self, origin: OriginParts<'_>, leaving: usize) {
        let Some((origin, _)) = self.origin(origin).filter(|_| self.shared_limit().is_some()) else { return };
        self.with(|state, _, deferred| state.give_way(origin, leaving, deferred));
        // A reset may have found silent ones whose places nobody wanted then.
        self.cut_silent(Instant::now(), Some(origin));
    }

    fn look(&self) {
        self.changed.notify_one();
    }

    fn apply(&self, settings: &PoolSettings) {
        self.apply(settings);
    }
}

impl<B> Core<B> {
    /// Cuts the connections that a reset has retired, where they are silent and requests wait for their places, or another pool
    /// wants those of an origin. Returns how many, and when to look again.
    pub(super) fn cut_silent(&self, now: Instant, wanted: Option<Key>) -> (usize, Option<Instant>) {
        let silence = self.settings().silent_after;
        let silent = self.with(|state, _, _| state.silent(silence, now, wanted));
        silent.cut.iter().for_each(|connection| connection.cut());
        (silent.cut.len(), silent.next)
    }
}
