//! Timeouts without a timer of their own: those of one duration share a queue and its one task.
//!
//! Limits of one duration fall due in the order in which they were armed, so a list in that order is enough:
//! arm and disarm are a lock and a few words, while a `Sleep` goes through the runtime's timer wheel. Each
//! runtime has queues of its own, since each has its own clock. A queue's task sleeps until the first limit
//! is due, wakes whoever is late, and ends when nothing is armed any more, at the latest one duration after
//! the last was disarmed; it ends at once when nobody can arm it again.

mod fifo;
mod limit;
mod queue;
#[cfg(test)]
mod tests;
mod timers;

pub(crate) use self::limit::Limit;
pub(crate) use self::timers::Timers;
