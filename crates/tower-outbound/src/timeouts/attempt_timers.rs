//! [`AttemptTimers`]: the running timeouts of one attempt.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, TimeoutError, TimeoutKind};
use crate::event::Outcome;
use crate::failure::{Failure, SendState};
use crate::record::{Attempt, EndCause};
use crate::settings::Timeouts;
use crate::timer::Timeout;

/// The timeouts of one attempt. Boxed, so that an attempt without timeouts carries one word.
#[derive(Debug)]
pub(crate) struct AttemptTimers {
    attempt: Timeout,
    first_byte: Timeout,
    write_idle: Timeout,
    body_idle: Timeout,
    /// When the caller began to wait for the next frame.
    frame_polled_at: Option<Instant>,
}

impl AttemptTimers {
    /// Returns `None` if all timeouts are disabled.
    pub(crate) fn new(timeouts: Timeouts) -> Option<Box<Self>> {
        let durations = timeouts.resolve();
        if durations.iter().all(Duration::is_zero) {
            return None;
        }
        let [attempt, first_byte, write_idle, body_idle] = durations.map(Timeout::new);
        Some(Box::new(Self { attempt, first_byte, write_idle, body_idle, frame_polled_at: None }))
    }

    /// Whether the request's body has to record what the client takes.
    pub(crate) fn watch_writes(&self) -> bool {
        !self.write_idle.duration().is_zero()
    }

    /// Returns the timeout that has elapsed while the response's head is awaited.
    pub(crate) fn poll_head(&mut self, attempt: &Attempt, cx: &mut Context<'_>) -> Option<TimeoutError> {
        let timers = attempt.registry().timers();
        let elapsed = if self.attempt.poll(timers, cx, || Some(attempt.start_time())) {
            TimeoutKind::Attempt
        } else if self.write_idle.poll(timers, cx, || attempt.response().upload_stuck_since()) {
            TimeoutKind::WriteIdle
        } else if self.first_byte.poll(timers, cx, || attempt.response().awaited_since()) {
            TimeoutKind::FirstByte
        } else {
            return None;
        };
        Some(self.error(elapsed))
    }

    /// Disables the timeouts that end with the response's head.
    pub(crate) fn on_head(&mut self) {
        self.first_byte = Timeout::new(Duration::ZERO);
        self.write_idle = Timeout::new(Duration::ZERO);
    }

    /// Returns the timeout that has elapsed while the caller waits for a frame.
    pub(crate) fn poll_body(&mut self, attempt: &Attempt, cx: &mut Context<'_>) -> Option<TimeoutError> {
        let timers = attempt.registry().timers();
        if self.attempt.poll(timers, cx, || Some(attempt.start_time())) {
            return Some(self.error(TimeoutKind::Attempt));
        }
        if self.body_idle.duration().is_zero() {
            return None;
        }
        let since = *self.frame_polled_at.get_or_insert_with(Instant::now);
        self.body_idle.poll(timers, cx, || Some(since)).then(|| self.error(TimeoutKind::BodyIdle))
    }

    /// Restarts the idle timeout after a frame. Returns the attempt's timeout if it has elapsed nevertheless.
    pub(crate) fn on_frame(&mut self, attempt: &Attempt) -> Option<TimeoutError> {
        self.frame_polled_at = None;
        self.attempt.has_elapsed(attempt.start_time()).then(|| self.error(TimeoutKind::Attempt))
    }

    fn error(&self, kind: TimeoutKind) -> TimeoutError {
        let timeout = match kind {
            TimeoutKind::FirstByte => &self.first_byte,
            TimeoutKind::WriteIdle => &self.write_idle,
            TimeoutKind::BodyIdle => &self.body_idle,
            _ => &self.attempt,
        };
        TimeoutError::new(kind, timeout.duration())
    }
}

/// Finishes the attempt as failed by this timeout, and returns the error for the caller.
///
/// `drop_client` drops the client's future or body. Before that, the attempt must have its cause, or would be recorded as
/// cancelled.
pub(crate) fn finish_timed_out(
    attempt: &Attempt,
    timeout: TimeoutError,
    drop_client: impl FnOnce(),
) -> Error {
    attempt.call().set_end_cause(EndCause::AttemptTimeout);
    attempt.response().record_timeout(timeout.kind() == TimeoutKind::WriteIdle);
    let failure = Failure::new(timeout.kind().kind()).in_attempt(|| attempt.response().failing_phase());
    let attributed = attempt.attribute(failure.clone());
    // reqwest shows by the drop that it has not begun to send the request.
    let undecided = attributed.send_state() == Some(SendState::Unknown) && attempt.response().is_untouched();
    let failure = if undecided {
        drop_client();
        attempt.attribute(failure)
    } else {
        attributed
    };
    attempt.response().finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), timeout.into())
}
