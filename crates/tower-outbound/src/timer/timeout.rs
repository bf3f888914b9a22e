//! [`Timeout`]: bounds the time since an instant that may move.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Timers;
use super::queue::ArmedTimer;

/// Elapses a fixed duration after an instant that may move, such as the last progress.
///
/// Progress costs nothing: when the timer fires, the timeout asks for the instant and waits for the rest.
#[derive(Debug)]
pub(crate) struct Timeout {
    duration: Duration,
    timer: Timer,
}

#[derive(Debug)]
enum Timer {
    Off,
    Queued(ArmedTimer),
    /// For the rest after progress, which no queue has as its duration. At most one per duration.
    Own(Pin<Box<Sleep>>),
}

impl Timeout {
    /// Zero disables the timeout.
    pub(crate) const fn new(duration: Duration) -> Self {
        Self { duration, timer: Timer::Off }
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
        if self.duration.is_zero() {
            return false;
        }
        loop {
            let fired = match &mut self.timer {
                Timer::Off => {
                    let armed = timers.arm(Instant::now(), self.duration, cx.waker());
                    self.timer = armed.map_or(Timer::Off, Timer::Queued);
                    return false;
                }
                Timer::Queued(timer) => timer.poll(cx),
                Timer::Own(sleep) => sleep.as_mut().poll(cx).is_ready(),
            };
            if !fired {
                return false;
            }
            let now = Instant::now();
            let passed = since().map(|since| now.saturating_duration_since(since));
            self.timer = match self.duration.saturating_sub(passed.unwrap_or_default()) {
                Duration::ZERO => return true,
                rest if rest < self.duration => Timer::Own(Box::pin(sleep_until(now + rest))),
                _ => Timer::Off,
            };
        }
    }

    /// Returns whether the timeout since this instant has elapsed, without a wake-up otherwise.
    pub(crate) fn has_elapsed(&self, since: Instant) -> bool {
        match &self.timer {
            Timer::Queued(timer) => timer.has_fired(),
            Timer::Off | Timer::Own(_) => !self.duration.is_zero() && since.elapsed() >= self.duration,
        }
    }
}
