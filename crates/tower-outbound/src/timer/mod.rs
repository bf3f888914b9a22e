//! Timers that share one task: timers of one duration stand in one queue.
//!
//! Timers of one duration fire in the order in which they were armed, so a list is enough: arming and disarming take a
//! lock and a few words, while a `Sleep` goes through the runtime's timer wheel. Each runtime has queues of its own,
//! since each runtime has its own clock. The task of a queue sleeps until the first timer is due and wakes the owners of
//! due timers. It ends when nothing is armed, at the latest one duration after the last timer was disarmed, and at once
//! when the queue is dropped.

mod alarm;
mod fifo;
mod grace;
mod queue;
#[cfg(test)]
mod tests;
mod timeout;
mod timers;
mod turns;

pub(crate) use self::alarm::{Alarm, RESOLUTION};
pub(crate) use self::grace::{GRACE, Grace};
pub(crate) use self::timeout::Timeout;
pub(crate) use self::timers::Timers;
pub(crate) use self::turns::Turns;
