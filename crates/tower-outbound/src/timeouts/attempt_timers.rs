//! [`AttemptTimers`]: the running timeouts of one attempt.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::deadline::finish_past_deadline;
use crate::error::{Error, TimeoutError, TimeoutKind};
use crate::event::Outcome;
use crate::failure::{Failure, SendState};
use crate::record::{Attempt, AttemptScope, EndCause};
use crate::settings::{AttemptTimeouts, Silence, Timeouts};
use crate::timer::{Alarm, RESOLUTION, Turns};

/// The timeouts of one attempt, which share one timer.
#[derive(Debug)]
pub(crate) struct AttemptTimers {
    timeouts: AttemptTimeouts,
    /// The response's head does not turn the body's timeout off.
    body_idle_is_set: bool,
    alarm: Alarm,
    /// From the start of the attempt to the deadline of the call; zero if it had passed by then.
    deadline: Option<Duration>,
    /// When the caller began to wait for the next frame.
    frame_polled_at: Option<Instant>,
    /// The deadline has passed: a reset that arrived before it may not have been read yet.
    last_turns: Option<Turns>,
}

impl AttemptTimers {
    /// Returns `None` if all timeouts are disabled.
    pub(crate) fn new(timeouts: Timeouts, silence: Silence, attempt: &Attempt) -> Option<Self> {
        let body_idle_is_set = timeouts.sets_body_idle();
        let timeouts = timeouts.resolve(silence);
        let left = |deadline: Instant| deadline.saturating_duration_since(attempt.start_time());
        let this = Self {
            timeouts,
            body_idle_is_set,
            alarm: Alarm::Off,
            deadline: attempt.call().deadline().map(left),
            frame_polled_at: None,
            last_turns: None,
        };
        if this.before_head().is_some() || this.after_head().is_some() { Some(this) } else { None }
    }

    /// The shortest timeout before the response's head.
    fn before_head(&self) -> Option<Duration> {
        sooner(self.timeouts.before_head(), self.deadline)
    }

    /// The shortest timeout after the response's head.
    fn after_head(&self) -> Option<Duration> {
        sooner(self.timeouts.after_head(), self.deadline)
    }

    /// Whether the attempt began after the deadline.
    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline == Some(Duration::ZERO)
    }

    /// Whether the request's body has to record what the client takes.
    pub(crate) const fn watch_writes(&self) -> bool {
        !self.timeouts.write_idle.is_zero()
    }

    /// Returns the timeout that has elapsed while the response's head is awaited.
    pub(crate) fn poll_head(&mut self, attempt: &Attempt, cx: &mut Context<'_>) -> Option<TimeUp> {
        if self.is_past_deadline() {
            return Some(TimeUp::Deadline);
        }
        let timeouts = &self.timeouts;
        let within = self.before_head()?;
        let time_up = self.alarm.poll(attempt.registry().timers(), cx, within, |now| {
            // Nothing has elapsed when the attempt has just begun.
            if within > RESOLUTION && now.saturating_duration_since(attempt.start_time()) < RESOLUTION {
                return Ok(within);
            }
            let response = attempt.response();
            left(
                now,
                [
                    (None, self.deadline.unwrap_or_default(), Some(attempt.start_time())),
                    (Some(TimeoutKind::Attempt), timeouts.attempt, Some(attempt.start_time())),
                    (Some(TimeoutKind::WriteIdle), timeouts.write_idle, response.upload_stuck_since()),
                    (Some(TimeoutKind::FirstByte), timeouts.first_byte, response.awaited_since()),
                ],
            )
        })?;
        self.after_last_turns(time_up, cx)
    }

    /// A reset that arrived before the deadline is a reset: what has arrived is read first.
    fn after_last_turns(&mut self, time_up: TimeUp, cx: &mut Context<'_>) -> Option<TimeUp> {
        if let TimeUp::Deadline = time_up {
            let turns = self.last_turns.get_or_insert_with(Turns::new);
            return turns.poll(cx).is_ready().then_some(time_up);
        }
        Some(time_up)
    }

    /// Ends the timeouts that end with the response's head; those of the body follow. `None` if there are none.
    pub(crate) fn on_head(mut self, silence: Silence) -> Option<Self> {
        let before = self.before_head();
        if silence == Silence::Normal && !self.body_idle_is_set {
            self.timeouts.body_idle = Duration::ZERO;
        }
        let within = self.after_head()?;
        // A deadline counts from the start of the attempt, the timer from now.
        if self.deadline.is_some() || before != Some(within) {
            self.alarm = Alarm::Off;
        }
        Some(self)
    }

    /// Returns the timeout that has elapsed while the caller waits for a frame.
    pub(crate) fn poll_body(&mut self, attempt: &Attempt, cx: &mut Context<'_>) -> Option<TimeUp> {
        let within = self.after_head()?;
        let Self { timeouts, frame_polled_at, alarm, deadline, .. } = &mut *self;
        let polled_at =
            (!timeouts.body_idle.is_zero()).then(|| *frame_polled_at.get_or_insert_with(Instant::now));
        let time_up = alarm.poll(attempt.registry().timers(), cx, within, |now| {
            left(
                now,
                [
                    (None, deadline.unwrap_or_default(), Some(attempt.start_time())),
                    (Some(TimeoutKind::Attempt), timeouts.attempt, Some(attempt.start_time())),
                    (Some(TimeoutKind::BodyIdle), timeouts.body_idle, polled_at),
                ],
            )
        })?;
        self.after_last_turns(time_up, cx)
    }

    /// Restarts the idle timeout after a frame. Returns the timeout of the attempt or the call that has elapsed
    /// nevertheless.
    pub(crate) fn on_frame(&mut self, attempt: &Attempt) -> Option<TimeUp> {
        self.frame_polled_at = None;
        let deadline = (None, self.deadline.unwrap_or_default());
        let timeouts = [deadline, (Some(TimeoutKind::Attempt), self.timeouts.attempt)];
        let timeouts = timeouts.into_iter().filter(|(_, timeout)| !timeout.is_zero());
        let (kind, timeout) = timeouts.min_by_key(|(_, timeout)| *timeout)?;
        let elapsed = attempt.start_time().elapsed() >= timeout;
        elapsed.then(|| TimeUp::new(kind, timeout))
    }
}

fn sooner(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, None) => a,
        (None, b) => b,
    }
}

/// Why an attempt is cut.
#[derive(Debug)]
pub(crate) enum TimeUp {
    Timeout(TimeoutError),
    /// The deadline of the call has passed.
    Deadline,
}

impl TimeUp {
    fn new(kind: Option<TimeoutKind>, timeout: Duration) -> Self {
        kind.map_or(Self::Deadline, |kind| Self::Timeout(TimeoutError::new(kind, timeout)))
    }
}

/// The time until the next of these timeouts elapses; one without a kind is the deadline.
///
/// # Errors
/// The first of them that has elapsed. `None` as its start pauses a timeout.
fn left<const N: usize>(
    now: Instant,
    timeouts: [(Option<TimeoutKind>, Duration, Option<Instant>); N],
) -> Result<Duration, TimeUp> {
    let mut next = Duration::MAX;
    for (kind, timeout, since) in timeouts.into_iter().filter(|(_, timeout, _)| !timeout.is_zero()) {
        let passed = since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        match timeout.saturating_sub(passed) {
            Duration::ZERO => return Err(TimeUp::new(kind, timeout)),
            left => next = next.min(left),
        }
    }
    Ok(next)
}

/// Finishes the attempt as failed by this timeout or by the deadline, and returns the error for the caller.
///
/// `drop_client` drops the client's future or body. Before that, the attempt must have its cause, or would be recorded as
/// cancelled.
pub(crate) fn finish_timed_out(attempt: &Attempt, time_up: TimeUp, drop_client: impl FnOnce()) -> Error {
    attempt.call().set_end_cause(EndCause::AttemptTimeout);
    let timeout = match time_up {
        TimeUp::Deadline => return finish_past_deadline(attempt, drop_client),
        TimeUp::Timeout(timeout) => timeout,
    };
    attempt.response().record_timeout(timeout.kind() == TimeoutKind::WriteIdle);
    let failure = Failure::new(timeout.kind().kind()).in_attempt(|| attempt.response().failing_phase());
    let failure = attribute_cut(attempt, failure, drop_client);
    attempt.response().finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), timeout.into())
}

/// Completes the failure of an attempt that is cut. `drop_client` drops the client's future.
pub(crate) fn attribute_cut(attempt: &Attempt, failure: Failure, drop_client: impl FnOnce()) -> Failure {
    let attributed = attempt.attribute(failure.clone());
    // reqwest and our pool show by the drop that they have not begun to send the request.
    let unbegun = attempt.response().is_untouched() || !attempt.response().is_taken();
    if attributed.send_state() != Some(SendState::Unknown) || !unbegun {
        return attributed;
    }
    let scope = AttemptScope::enter(attempt);
    drop_client();
    drop(scope);
    attempt.attribute(failure)
}
