//! [`Queue`]: the timers of one duration on one runtime, and the task that fires them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::fifo::Fifo;
use crate::util::list::Key;

/// Timers that are fired before the lock is released for a moment.
const BATCH: usize = 32;

#[derive(Debug)]
pub(super) struct Queue(Mutex<State>);

#[derive(Debug)]
struct State {
    fifo: Fifo,
    /// Whether a task is running, or is about to be spawned, that fires the first timer.
    driven: bool,
    driver: Option<AbortHandle>,
}

impl Queue {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { fifo: Fifo::new(), driven: false, driver: None })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns the task that `State::driven` announces.
    fn spawn_driver(self: &Arc<Self>) {
        let driver = Driver { queue: Arc::downgrade(self), done: false };
        // Without a runtime the driver is dropped here, and the next poll tries again.
        let Ok(runtime) = Handle::try_current() else { return };
        // Without the lock: a runtime that shuts down drops the task at once.
        let task = runtime.spawn(drive(driver));
        self.state().driver = Some(task.abort_handle());
    }

    /// Fires the timers that are due. Returns the next deadline; `None` ends the driver.
    fn fire_due(&self, now: Instant) -> Option<Instant> {
        loop {
            let mut due = [const { None }; BATCH];
            let mut count = 0;
            let mut state = self.state();
            while count < BATCH {
                let Some(waker) = state.fifo.fire_first(now) else { break };
                due[count] = waker;
                count += 1;
            }
            let next = state.fifo.next_deadline();
            if count < BATCH && next.is_none() {
                state.driven = false;
            }
            drop(state);
            due.into_iter().flatten().for_each(Waker::wake);
            if count < BATCH {
                return next;
            }
        }
    }

    /// Timers, capacity, and whether a task runs.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, bool) {
        let state = self.state();
        (state.fifo.len(), state.fifo.capacity(), state.driven)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if let Some(driver) = self.state().driver.take() {
            driver.abort();
        }
    }
}

/// Holds the queue weakly, so that a sleeping task keeps nothing alive.
struct Driver {
    queue: Weak<Queue>,
    done: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The runtime is gone or the task was aborted: the next poll spawns another task.
        if let Some(queue) = self.queue.upgrade().filter(|_| !self.done) {
            queue.state().driven = false;
        }
    }
}

async fn drive(mut driver: Driver) {
    loop {
        let Some(queue) = driver.queue.upgrade() else { return };
        let next = queue.fire_due(Instant::now());
        drop(queue);
        let Some(next) = next else {
            driver.done = true;
            return;
        };
        sleep_until(next).await;
    }
}

/// A timer in a queue. Dropping it disarms the timer.
#[derive(Debug)]
pub(crate) struct ArmedTimer {
    queue: Arc<Queue>,
    key: Key,
}

impl ArmedTimer {
    pub(super) fn new(queue: Arc<Queue>, deadline: Instant, waker: &Waker) -> Self {
        let waker = waker.clone();
        let mut state = queue.state();
        let key = state.fifo.push(deadline, waker);
        let driven = std::mem::replace(&mut state.driven, true);
        drop(state);
        if !driven {
            queue.spawn_driver();
        }
        Self { queue, key }
    }

    /// Returns whether the timer has fired. If not, the task is woken when it does.
    pub(super) fn poll(&self, cx: &Context<'_>) -> bool {
        let mut state = self.queue.state();
        let (fired, previous) = state.fifo.poll(self.key, cx.waker());
        let spawn = !fired && !std::mem::replace(&mut state.driven, true);
        drop(state);
        drop(previous);
        if spawn {
            self.queue.spawn_driver();
        }
        fired
    }

    #[cfg(test)]
    pub(super) fn has_fired(&self) -> bool {
        self.queue.state().fifo.has_fired(self.key)
    }
}

impl Drop for ArmedTimer {
    fn drop(&mut self) {
        let waker = self.queue.state().fifo.free(self.key);
        // Without the lock: a waker may own a task.
        drop(waker);
    }
}
