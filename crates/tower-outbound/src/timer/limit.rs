//! A limit on how long something may take, or may go without progress.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Timers;
use super::queue::Armed;

/// No more than so long since an instant that may move.
///
/// Progress costs nothing: when the time is over, the limit asks since when it counts, and waits for the rest.
#[derive(Debug)]
pub(crate) struct Limit {
    after: Duration,
    timer: Timer,
}

#[derive(Debug)]
enum Timer {
    Off,
    Queued(Armed),
    /// For the rest after progress, which is not the queue's duration: once in a duration at most.
    Own(Pin<Box<Sleep>>),
}

impl Limit {
    /// Zero is off.
    pub(crate) const fn new(after: Duration) -> Self {
        Self { after, timer: Timer::Off }
    }

    pub(crate) const fn after(&self) -> Duration {
        self.after
    }

    /// Whether it is hit; if not, the task is woken when it may be.
    ///
    /// `since` is when it began to count; `None` while it does not, to be asked again within its duration.
    pub(crate) fn poll(
        &mut self,
        timers: &Timers,
        cx: &mut Context<'_>,
        since: impl Fn() -> Option<Instant>,
    ) -> bool {
        if self.after.is_zero() {
            return false;
        }
        loop {
            let due = match &mut self.timer {
                Timer::Off => {
                    let armed = timers.arm(Instant::now(), self.after, cx.waker());
                    self.timer = armed.map_or(Timer::Off, Timer::Queued);
                    return false;
                }
                Timer::Queued(armed) => armed.poll(cx),
                Timer::Own(sleep) => sleep.as_mut().poll(cx).is_ready(),
            };
            if !due {
                return false;
            }
            let now = Instant::now();
            let passed = since().map(|since| now.saturating_duration_since(since));
            self.timer = match self.after.saturating_sub(passed.unwrap_or_default()) {
                Duration::ZERO => return true,
                left if left < self.after => Timer::Own(Box::pin(sleep_until(now + left))),
                _ => Timer::Off,
            };
        }
    }

    /// Whether its time since then is over, without waiting for it.
    pub(crate) fn is_over(&self, since: Instant) -> bool {
        match &self.timer {
            Timer::Queued(armed) => armed.is_due(),
            Timer::Off | Timer::Own(_) => !self.after.is_zero() && since.elapsed() >= self.after,
        }
    }
}
