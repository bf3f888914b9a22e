//! [`Timeout`]: bounds the time since an instant that may move.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::{Alarm, Timers};

/// Elapses a fixed duration after an instant that may move, such as the last progress.
#[derive(Debug)]
pub(crate) struct Timeout {
    duration: Duration,
    alarm: Alarm,
}

impl Timeout {
    /// Zero disables the timeout.
    pub(crate) const fn new(duration: Duration) -> Self {
        Self { duration, alarm: Alarm::Off }
    }

    pub(crate) const fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns whether the timeout has elapsed. If not, the task is woken when to poll again.
    ///
    /// `since` returns the instant from which to count; `None` pauses the timeout.
    pub(crate) fn poll(
        &mut self,
        timers: &Timers,
        cx: &mut Context<'_>,
        since: impl Fn() -> Option<Instant>,
    ) -> bool {
        let duration = self.duration;
        let left = |now: Instant| {
            let passed = since().map(|since| now.saturating_duration_since(since)).unwrap_or_default();
            duration.checked_sub(passed).filter(|left| !left.is_zero()).ok_or(())
        };
        !duration.is_zero() && self.alarm.poll(timers, cx, duration, left).is_some()
    }
}
