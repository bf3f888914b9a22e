//! The timeouts of an attempt.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, TimeoutError, TimeoutKind};
use crate::event::Outcome;
use crate::failure::Failure;
use crate::record::{Attempt, EndCause};
use crate::settings::Timeouts;
use crate::timer::Limit;

/// The limits of one attempt. Boxed, so that an attempt without limits carries a word.
#[derive(Debug)]
pub(crate) struct Watch {
    attempt: Limit,
    first_byte: Limit,
    write_idle: Limit,
    body_idle: Limit,
    /// Since when the caller waits for a frame.
    waits_since: Option<Instant>,
}

impl Watch {
    /// `None` where all timeouts are off.
    pub(crate) fn new(timeouts: Timeouts) -> Option<Box<Self>> {
        let limits = timeouts.resolve();
        if limits.iter().all(Duration::is_zero) {
            return None;
        }
        let [attempt, first_byte, write_idle, body_idle] = limits.map(Limit::new);
        Some(Box::new(Self { attempt, first_byte, write_idle, body_idle, waits_since: None }))
    }

    pub(crate) fn watches_writes(&self) -> bool {
        !self.write_idle.after().is_zero()
    }

    /// The limit that is hit, before the response's head.
    pub(crate) fn poll_head(&mut self, attempt: &Attempt, cx: &mut Context<'_>) -> Option<TimeoutError> {
        let timers = attempt.registry().timers();
        let hit = if self.attempt.poll(timers, cx, || Some(attempt.start_time())) {
            TimeoutKind::Attempt
        } else if self.write_idle.poll(timers, cx, || attempt.response().upload_stuck_since()) {
            TimeoutKind::WriteIdle
        } else if self.first_byte.poll(timers, cx, || attempt.response().awaited_since()) {
            TimeoutKind::FirstByte
        } else {
            return None;
        };
        Some(self.error(hit))
    }

    /// The response's head is there.
    pub(crate) fn head(&mut self) {
        self.first_byte = Limit::new(Duration::ZERO);
        self.write_idle = Limit::new(Duration::ZERO);
    }

    /// The limit that is hit, while the caller waits for a frame.
    pub(crate) fn poll_body(&mut self, attempt: &Attempt, cx: &mut Context<'_>) -> Option<TimeoutError> {
        let timers = attempt.registry().timers();
        if self.attempt.poll(timers, cx, || Some(attempt.start_time())) {
            return Some(self.error(TimeoutKind::Attempt));
        }
        if self.body_idle.after().is_zero() {
            return None;
        }
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        self.body_idle.poll(timers, cx, || Some(since)).then(|| self.error(TimeoutKind::BodyIdle))
    }

    /// A frame is there: the limit that is hit all the same.
    pub(crate) fn frame(&mut self, attempt: &Attempt) -> Option<TimeoutError> {
        self.waits_since = None;
        self.attempt.is_over(attempt.start_time()).then(|| self.error(TimeoutKind::Attempt))
    }

    fn error(&self, limit: TimeoutKind) -> TimeoutError {
        let after = match limit {
            TimeoutKind::FirstByte => self.first_byte.after(),
            TimeoutKind::WriteIdle => self.write_idle.after(),
            TimeoutKind::BodyIdle => self.body_idle.after(),
            _ => self.attempt.after(),
        };
        TimeoutError::new(limit, after)
    }
}

/// Ends the attempt, so that what is dropped next knows why.
pub(crate) fn cut(attempt: &Attempt, hit: TimeoutError) -> Error {
    attempt.call().set_end_cause(EndCause::AttemptTimeout);
    attempt.response().record_timeout(hit.limit() == TimeoutKind::WriteIdle);
    let failure = Failure::new(hit.limit().kind()).in_attempt(|| attempt.response().failing_phase());
    let failure = attempt.attribute(failure);
    attempt.response().finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), hit.into())
}
