//! [`CheckUp`]: whether the client has lost a request.

use std::task::Context;
use std::time::Duration;

use crate::error::{Error, LostRequestError};
use crate::event::Outcome;
use crate::failure::Failure;
use crate::record::Attempt;
use crate::timer::Timeout;

/// How long nothing may happen to a request after a connection of its origin has ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks after an attempt until a connection has its request. Not a timeout: it has no setting, and is never off.
#[derive(Debug)]
pub(crate) struct CheckUp {
    timer: Timeout,
}

impl CheckUp {
    pub(crate) const fn new() -> Self {
        Self { timer: Timeout::new(PATIENCE) }
    }

    /// Whether the client has lost the request, which is then [given up](crate::record::Attempt). If not, the task is
    /// woken when to poll again.
    pub(crate) fn poll(&mut self, attempt: &Attempt, cx: &mut Context<'_>) -> bool {
        let response = attempt.response();
        if self.timer.duration().is_zero() {
            return false;
        }
        let lost = !response.is_taken()
            && self.timer.poll(attempt.registry().timers(), cx, || response.lost_since());
        if response.is_taken() {
            self.timer = Timeout::new(Duration::ZERO);
        }
        lost && response.give_up()
    }
}

/// Finishes the attempt whose request the client has lost, and returns the error for the caller.
///
/// To be called after the client's future was dropped: then no HTTP/2 connection can take the request any more.
pub(crate) fn finish_lost(attempt: &Attempt) -> Error {
    let failure = Failure::of(&LostRequestError).in_attempt(|| attempt.response().failing_phase());
    let failure = attempt.attribute(failure);
    attempt.response().finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), LostRequestError.into())
}
