//! An attempt that no connection takes, because the connection's task is on a runtime that does not run.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Attempt;
use super::phases::is_queued;
use crate::event::{Outcome, StackWarning};

/// A caller that gives up earlier may just be impatient.
const PATIENCE: Duration = Duration::from_secs(1);

/// Warns if the attempt was given up before a connection took its request, and another runtime has a connection to the
/// origin.
pub(super) fn warn_of_other_runtime(attempt: &Attempt, outcome: &Outcome, at: Instant) {
    let inner = &*attempt.0;
    let given_up = match outcome {
        Outcome::Failed(failure) => failure.is_timeout(),
        Outcome::Cancelled { .. } => at.saturating_duration_since(inner.start) >= PATIENCE,
        Outcome::Ok => false,
    };
    let taken = || inner.marks.accepted.is_set() || inner.marks.send_start.is_set();
    if !given_up || taken() || is_queued(attempt) || !inner.serving().setups.is_empty() {
        return;
    }
    let Ok(here) = Handle::try_current() else { return };
    let connections = inner.registry.connections();
    let mut ours = connections.iter().filter(|connection| connection.origin() == attempt.origin());
    if ours.any(|connection| connection.runtime().is_some_and(|there| there != here.id())) {
        inner.registry.warn(StackWarning::OtherRuntime);
    }
}
