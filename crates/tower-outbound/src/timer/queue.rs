//! The limits of one duration on one runtime.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::fifo::Fifo;
use crate::util::list::Key;

/// Woken between two looks at the lock.
const BATCH: usize = 32;

#[derive(Debug)]
pub(super) struct Queue(Mutex<State>);

#[derive(Debug)]
struct State {
    fifo: Fifo,
    /// A task is on its way to wake the first.
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

    /// Starts the task that the state says is there.
    fn drive(self: &Arc<Self>) {
        let driver = Driver { queue: Arc::downgrade(self), over: false };
        // Without a runtime the driver is dropped here, and the next look tries again.
        let Ok(runtime) = Handle::try_current() else { return };
        // Without the lock: a runtime that is shutting down drops the task at once.
        let task = runtime.spawn(drive(driver));
        self.state().driver = Some(task.abort_handle());
    }

    /// Wakes what is due; returns when the next is. `None` ends the driver.
    fn wake_due(&self, now: Instant) -> Option<Instant> {
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

    #[cfg(test)]
    pub(super) fn facts(&self) -> (usize, usize, bool) {
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

/// Holds the queue weakly, so that nothing is kept by a task that sleeps.
struct Driver {
    queue: Weak<Queue>,
    over: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The runtime is gone, or the task was aborted: whoever looks next starts another.
        if let Some(queue) = self.queue.upgrade().filter(|_| !self.over) {
            queue.state().driven = false;
        }
    }
}

async fn drive(mut driver: Driver) {
    loop {
        let Some(queue) = driver.queue.upgrade() else { return };
        let next = queue.wake_due(Instant::now());
        drop(queue);
        let Some(next) = next else {
            driver.over = true;
            return;
        };
        sleep_until(next).await;
    }
}

/// A place in a queue; dropping it disarms.
#[derive(Debug)]
pub(super) struct Armed {
    queue: Arc<Queue>,
    key: Key,
}

impl Armed {
    pub(super) fn new(queue: Arc<Queue>, deadline: Instant, waker: &Waker) -> Self {
        let waker = waker.clone();
        let mut state = queue.state();
        let key = state.fifo.push(deadline, waker);
        let driven = std::mem::replace(&mut state.driven, true);
        drop(state);
        if !driven {
            queue.drive();
        }
        Self { queue, key }
    }

    /// Whether it has fallen due; if not, the task is woken then.
    pub(super) fn poll(&self, cx: &Context<'_>) -> bool {
        let mut state = self.queue.state();
        let (due, previous) = state.fifo.poll(self.key, cx.waker());
        let drive = !due && !std::mem::replace(&mut state.driven, true);
        drop(state);
        drop(previous);
        if drive {
            self.queue.drive();
        }
        due
    }

    /// Whether it has fallen due.
    pub(super) fn is_due(&self) -> bool {
        self.queue.state().fifo.has_fired(self.key)
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let waker = self.queue.state().fifo.free(self.key);
        drop(waker);
    }
}
