//! The end of an attempt whose call is past its deadline.

use super::attribute_cut;
use crate::error::{DeadlineElapsed, Error};
use crate::event::{Event, Outcome};
use crate::failure::{Failure, Kind, Phase};
use crate::record::Attempt;

/// Finishes the attempt as cut by the deadline, and returns the error for the caller. `drop_client` drops the client's future.
pub(crate) fn finish_past_deadline(attempt: &Attempt, drop_client: impl FnOnce()) -> Error {
    attempt.response().record_timeout(false);
    let (failure, elapsed) = cut(attempt);
    let failure = attribute_cut(attempt, failure, drop_client);
    attempt.response().finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), elapsed.into())
}

/// The failure of an attempt that the deadline cuts. Reports the cut.
pub(crate) fn cut_by_deadline(attempt: &Attempt) -> Failure {
    attempt.attribute(cut(attempt).0)
}

fn cut(attempt: &Attempt) -> (Failure, DeadlineElapsed) {
    let call = attempt.call();
    let begun_too_late = call.deadline().is_some_and(|deadline| deadline <= attempt.start_time());
    // The time ran out before the attempt.
    let in_backoff = begun_too_late && attempt.ordinal() > 0;
    let phase = if in_backoff { Phase::Backoff } else { attempt.response().failing_phase() };
    let elapsed = DeadlineElapsed::in_attempt(attempt, phase, begun_too_late);
    attempt.registry().emit(&Event::DeadlineElapsed { call, attempt: Some(attempt), phase });
    let failure = Failure::new(Kind::DeadlineExceeded).with_phase(phase);
    (if begun_too_late { failure.unsent() } else { failure }, elapsed)
}
