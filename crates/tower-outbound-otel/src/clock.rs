//! Instants as times of the day.

use std::time::SystemTime;

use tokio::time::Instant;

/// One pair of instant and time: every time of a record derives from it, so a step of the system's clock
/// makes no phase negative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    instant: Instant,
    time: SystemTime,
}

impl Clock {
    /// It is `instant` now.
    pub(crate) fn new(instant: Instant) -> Self {
        Self { instant, time: SystemTime::now() }
    }

    pub(crate) fn at(&self, instant: Instant) -> SystemTime {
        let time = match instant.checked_duration_since(self.instant) {
            Some(after) => self.time.checked_add(after),
            None => self.time.checked_sub(self.instant.saturating_duration_since(instant)),
        };
        time.unwrap_or(self.time)
    }
}
