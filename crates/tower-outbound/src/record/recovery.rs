//! Recovery: an origin whose requests wait in vain while its connections are silent is reset.

use tokio::time::Instant;

use super::{Connection, Origin, Registry, Reset};
use crate::event::{Event, log};
use crate::settings::RecoverySettings;

/// The waits of an origin that have timed out in a row, while nothing was received.
#[derive(Debug, Default)]
pub(super) struct SilentTimeouts {
    count: u32,
    last: Option<Instant>,
    reset: Option<Instant>,
}

impl SilentTimeouts {
    /// Counts a wait that times out now. `heard`: when a connection last received something. Returns how many there were in a
    /// row if the origin is to be reset.
    fn record(&mut self, settings: RecoverySettings, heard: Instant, now: Instant) -> Option<u32> {
        let in_a_row = self.last.is_some_and(|last| heard <= last);
        self.count = if in_a_row { self.count.saturating_add(1) } else { 1 };
        self.last = Some(now);
        let paused = self.reset.is_some_and(|reset| now.saturating_duration_since(reset) < settings.interval);
        if paused || self.count < settings.after {
            return None;
        }
        self.reset = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

impl Registry {
    /// A request has waited for a connection or a slot, in vain, since then.
    pub(crate) fn acquire_timed_out(&self, origin: &Origin, since: Instant) {
        let settings = self.settings().recovery;
        if settings.after == 0 {
            return;
        }
        let mut connections = self.connections();
        connections.retain(|connection| connection.origin() == origin);
        let now = Instant::now();
        let wait = now.saturating_duration_since(since);
        // What was received when the wait began may have been the last of it.
        let silent = |heard: &Instant| now.saturating_duration_since(*heard) >= wait / 2;
        let Some(heard) = connections.iter().map(Connection::heard).max().filter(silent) else {
            return;
        };
        let timeouts = origin.silent_timeouts().record(settings, heard, now);
        let Some(timeouts) = timeouts else { return };
        self.see_reset();
        let mut reset = Reset::default();
        for pool in self.own_pools() {
            reset += pool.recover(origin.parts(), wait / 2);
        }
        for connection in connections {
            reset += connection.reset();
        }
        let silent_for = now.saturating_duration_since(heard);
        log::recovered(origin, timeouts, silent_for, reset);
        self.emit(&Event::Recovered { origin, timeouts, silent_for, reset });
    }

    /// A request begins to wait for a slot, or ends to.
    pub(crate) fn waits_for_slot(&self, origin: &Origin, waits: bool) {
        origin.count_slot_waiter(waits);
        if waits && self.has_seen_reset() {
            self.own_pools().iter().for_each(|pool| pool.look());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn silent_timeouts_count_in_a_row_and_reset_once_an_interval() {
        let settings = RecoverySettings { after: 3, interval: Duration::from_secs(30) };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timeouts = SilentTimeouts::default();
        let mut record = |heard, now| timeouts.record(settings, at(heard), at(now));
        assert_eq!([record(0, 1), record(0, 2), record(0, 2)], [None, None, Some(3)]);
        assert_eq!([record(0, 3), record(0, 3), record(0, 31), record(0, 33)], [None, None, None, Some(4)]);
        assert_eq!(
            [record(0, 70), record(0, 71), record(72, 73)],
            [None, None, None],
            "it was heard between"
        );
        assert_eq!([record(72, 74), record(72, 75)], [None, Some(3)]);
    }
}
