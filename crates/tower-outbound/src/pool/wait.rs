//! A request's place in the queue of its origin.

use std::sync::Arc;
use std::task::Context;

use tokio::time::Instant;

use super::conn::Conn;
use super::core::Core;
use super::state::Polled;
use crate::error::PoolConnectError;
use crate::record::Attempt;
use crate::timer::Timeout;
use crate::util::list::Key;

/// A place in the queue of an origin. The owner removes the waiter if it was not served.
pub(super) struct Wait {
    pub(super) waiter: Key,
    pub(super) since: Instant,
    pub(super) attempt: Option<Attempt>,
    timeout: Timeout,
    patience: Patience,
}

/// How long the connect is held back.
enum Patience {
    Unasked,
    // Boxed: it is rare.
    Until(Box<(Instant, Timeout)>),
    Over,
}

impl Wait {
    /// `attempt` is that of the request.
    pub(super) fn new<B>(core: &Core<B>, waiter: Key, attempt: Option<Attempt>) -> Self {
        if let Some(attempt) = &attempt {
            attempt.response().waits_in_pool();
        }
        let timeout = Timeout::new(core.settings().acquire_timeout);
        Self { waiter, since: Instant::now(), attempt, timeout, patience: Patience::Unasked }
    }

    /// What the request has to do.
    pub(super) fn poll<B>(
        &mut self,
        core: &Core<B>,
        cx: &mut Context<'_>,
    ) -> Polled<Arc<Conn<B>>, PoolConnectError> {
        let waiter = self.waiter;
        let poll = |patient, cx: &Context<'_>| {
            core.with(|state, _, deferred| state.poll_waiter(waiter, cx.waker(), patient, deferred))
        };
        let polled = poll(!matches!(self.patience, Patience::Over), cx);
        let Polled::Held(hold) = polled else { return polled };
        if let Patience::Unasked = self.patience {
            self.patience = Patience::Until(Box::new((Instant::now(), Timeout::new(hold))));
        }
        if let Patience::Until(until) = &mut self.patience {
            let (since, timeout) = &mut **until;
            if !timeout.poll(&core.timers, cx, || Some(*since)) {
                return polled;
            }
        }
        self.patience = Patience::Over;
        poll(false, cx)
    }

    /// Whether the wait has taken too long. If not, the task is woken when it has.
    pub(super) fn is_over<B>(&mut self, core: &Core<B>, cx: &mut Context<'_>) -> bool {
        let since = self.since;
        self.timeout.poll(&core.timers, cx, || Some(since))
    }

    /// A connection gets the request.
    pub(super) fn end(mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.response().waited_in_pool(true);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(attempt) = &self.attempt {
            attempt.response().waited_in_pool(false);
        }
    }
}
