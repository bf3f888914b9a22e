//! [`Alarm`]: rings at a deadline that may move.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Timers;
use super::queue::ArmedTimer;

/// The timers' resolution: a difference below is none.
pub(crate) const RESOLUTION: Duration = Duration::from_millis(1);

/// One timer for deadlines that move, such as those that count from the last progress.
///
/// Progress costs nothing: when the timer fires, the alarm asks how much time is left and waits for the rest.
#[derive(Debug, Default)]
pub(crate) enum Alarm {
    #[default]
    Off,
    Queued(ArmedTimer),
    /// For the rest after progress, which no queue has as its duration. At most one per queued timer.
    Own(Pin<Box<Sleep>>),
}

impl Alarm {
    /// An alarm with a deadline that is known. Off outside of a tokio runtime.
    pub(crate) fn until(deadline: Instant) -> Self {
        match Handle::try_current() {
            Ok(_) => Self::Own(Box::pin(sleep_until(deadline))),
            Err(_) => Self::Off,
        }
    }

    /// Returns what has elapsed. If nothing has, the task is woken when to poll again.
    ///
    /// `left` returns the time left at an instant, or what has elapsed. It is asked when the alarm is armed, which an alarm
    /// that is off does here, and when it fires: no deadline may come earlier than `within` after the alarm was armed, or
    /// than what was left. Never elapses without a tokio runtime.
    pub(crate) fn poll<R>(
        &mut self,
        timers: &Timers,
        cx: &mut Context<'_>,
        within: Duration,
        left: impl Fn(Instant) -> Result<Duration, R>,
    ) -> Option<R> {
        loop {
            let fired = match self {
                Self::Off => {
                    let now = Instant::now();
                    match left(now) {
                        Err(elapsed) => return Some(elapsed),
                        Ok(left) if left + RESOLUTION < within => *self = Self::until(now + left),
                        Ok(_) => {
                            *self = timers.arm(now, within, cx.waker()).map_or(Self::Off, Self::Queued);
                            return None;
                        }
                    }
                    if matches!(self, Self::Off) {
                        return None;
                    }
                    continue;
                }
                Self::Queued(timer) => timer.poll(cx),
                Self::Own(sleep) => sleep.as_mut().poll(cx).is_ready(),
            };
            if !fired {
                return None;
            }
            let now = Instant::now();
            *self = Self::Off;
            match left(now) {
                Err(elapsed) => return Some(elapsed),
                Ok(left) if left < within => *self = Self::Own(Box::pin(sleep_until(now + left))),
                Ok(_) => {}
            }
        }
    }
}
