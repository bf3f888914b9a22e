//! [`ConnectWait`]: the wait for a connect that a task of the client makes.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

use crate::error::{ConnectError, TimeoutError, TimeoutKind};
use crate::failure::{Failure, Kind};
use crate::record::Attempt;

/// How long a retry after a failed connect waits for the next one. The connects of a call together are bounded, but a
/// connect in a task of the client serves other calls too, and has its whole timeout.
#[derive(Debug)]
pub(crate) struct ConnectWait {
    attempt: Attempt,
    time: Duration,
    end: Option<Pin<Box<Sleep>>>,
}

impl ConnectWait {
    /// `None` if no connect of the call has failed, or outside of a tokio runtime.
    pub(crate) fn of(attempt: Attempt) -> Option<Self> {
        let time = attempt.call().connect_left()?;
        Handle::try_current().ok()?;
        Some(Self { attempt, time, end: Some(Box::pin(sleep(time))) })
    }

    /// Returns the error once the time is over and no connection has the request.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Option<ConnectError> {
        if self.attempt.response().is_taken() {
            self.end = None;
        }
        let elapsed = self.end.as_mut()?.as_mut().poll(cx).is_ready();
        elapsed.then(|| {
            let failure = Failure::new(Kind::ConnectTimeout).in_setup(None);
            ConnectError::new(failure, TimeoutError::new(TimeoutKind::Connect, self.time).into())
        })
    }
}
