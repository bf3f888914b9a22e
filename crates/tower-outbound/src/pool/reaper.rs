//! The task that closes idle connections in time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::core::Core;

/// Ends the task's turn, also when its runtime is dropped.
struct Turn<B>(Weak<Core<B>>);

impl<B> Drop for Turn<B> {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.with(|state, _, _| state.reaper_gone());
        }
    }
}

/// Starts the task on the current runtime. It ends with the last connection; the pool aborts it when it is dropped.
pub(super) fn start<B: Send + 'static>(core: &Arc<Core<B>>) -> AbortHandle {
    let turn = Turn(Arc::downgrade(core));
    let changed = core.changed.clone();
    let task = tokio::spawn(async move {
        loop {
            let now = Instant::now();
            let next = turn.0.upgrade().and_then(|core| {
                let next = core.with(|state, _, deferred| state.expire(now, deferred))?;
                // One look for many connections: none is kept for more than a twentieth longer than its timeout.
                let timeout = core.settings().idle_timeout;
                let pause = if timeout.is_zero() { Duration::from_secs(1) } else { timeout / 20 };
                let (_, silent) = core.cut_silent(now, None);
                Some(next.max(now + pause)).into_iter().chain(silent).min()
            });
            let Some(next) = next else { break };
            // Other settings may mean an earlier look.
            let _ = timeout_at(next, changed.notified()).await;
        }
    });
    task.abort_handle()
}
