//! [`CheckUp`]: whether the client has lost a request.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, LostRequestError};
use crate::event::Outcome;
use crate::failure::Failure;
use crate::record::Attempt;
use crate::timer::Timeout;

/// How long nothing may happen to a request after a connection of its origin has ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the request is watched after the client's future was dropped. The task of an HTTP/2 connection looks whether
/// the request was dropped, and then takes it: a task that looked just before takes it within this time.
const CONFIRMATION: Duration = Duration::from_millis(50);

/// Looks after an attempt until a connection has its request. Not a timeout: it has no setting, and is never off.
#[derive(Debug)]
pub(crate) struct CheckUp(State);

#[derive(Debug)]
enum State {
    Watching(Timeout),
    /// The request was given up, and the client's future dropped.
    GivenUp {
        at: Instant,
        confirmation: Timeout,
    },
    /// A connection has the request, or a pool that loses none.
    Over,
}

impl CheckUp {
    pub(crate) const fn new() -> Self {
        Self(State::Watching(Timeout::new(PATIENCE)))
    }

    /// Whether the client has lost the request, so that the attempt is over. If not, the task is woken when to poll again.
    ///
    /// `drop_client` drops the client's future, some time before.
    pub(crate) fn poll(
        &mut self,
        attempt: &Attempt,
        cx: &mut Context<'_>,
        drop_client: impl FnOnce(),
    ) -> bool {
        let (response, timers) = (attempt.response(), attempt.registry().timers());
        if let State::Watching(patience) = &mut self.0 {
            if response.is_taken() || response.is_pooled() {
                self.0 = State::Over;
            } else if patience.poll(timers, cx, || response.lost_since()) && response.give_up() {
                drop_client();
                let confirmation = Timeout::new(CONFIRMATION);
                self.0 = State::GivenUp { at: Instant::now(), confirmation };
            }
        }
        match &mut self.0 {
            State::GivenUp { at, confirmation } => confirmation.poll(timers, cx, || Some(*at)),
            State::Watching(_) | State::Over => false,
        }
    }
}

/// Finishes the attempt whose request the client has lost, and returns the error for the caller. A connection may have
/// taken the request in the last moment: then it is not known whether the request was sent.
pub(crate) fn finish_lost(attempt: &Attempt) -> Error {
    let failure = Failure::of(&LostRequestError).in_attempt(|| attempt.response().failing_phase());
    let failure = attempt.attribute(failure);
    attempt.response().finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), LostRequestError.into())
}
