//! What the page keeps of the events.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tower_outbound::{Attempt, Event, Observer, Origin, Outcome, Phase};

use crate::Page;
use crate::calls::{KeptAttempt, OpenCall};
use crate::minute::End;
use crate::origins::OriginFigures;
use crate::reason::Reason;

impl Observer for Page {
    fn on_event(&self, event: &Event<'_>) {
        match *event {
            Event::AttemptEnded { attempt, outcome, .. } => self.attempt_ended(attempt, outcome),
            Event::BackoffEnded { call, start, end, .. } => {
                call.observer_state_or_init(&self.0.open, OpenCall::default).wait(call, start, end);
            }
            Event::CallEnded { call, .. } => {
                if let Some(open) = call.observer_state(&self.0.open) {
                    self.0.calls.end(call, open);
                }
            }
            Event::ConnectionWaiting { origin, .. } | Event::SlotWaiting { origin, .. } => {
                self.figures(origin).waiting.fetch_add(1, Ordering::Relaxed);
            }
            Event::ConnectionWaited { origin, .. } | Event::SlotWaited { origin, .. } => {
                self.figures(origin).waiting.fetch_sub(1, Ordering::Relaxed);
            }
            Event::SlotsOpened { origin, limit, .. } => {
                self.figures(origin).slots.store(limit, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// The timings of an attempt that has ended have its phases.
    fn wants_attempt_phases(&self) -> bool {
        false
    }
}

impl Page {
    fn figures<'a>(&self, origin: &'a Origin) -> &'a Arc<OriginFigures> {
        origin.observer_state_or_init(&self.0.figures, || self.0.origins.open(origin))
    }

    fn attempt_ended(&self, attempt: &Attempt, outcome: &Outcome) {
        let timings = attempt.timings();
        let mut phases = [(Phase::Queue, Duration::ZERO); Phase::ALL.len()];
        let mut count = 0;
        for phase in Phase::ALL {
            if let Some(took) = timings.phase(*phase) {
                phases[count] = (*phase, took);
                count += 1;
            }
        }
        let reason = Reason::of(attempt, outcome);
        let at = attempt.end_time().unwrap_or_else(Instant::now);
        let end = End { outcome, reason, reuse: timings.reuse(), phases: &phases[..count] };
        self.figures(attempt.origin()).add(at, &end);
        let open = attempt.call().observer_state(&self.0.open);
        if open.is_some() || self.0.calls.concerns(attempt, reason, at) {
            let open = attempt.call().observer_state_or_init(&self.0.open, OpenCall::default);
            open.attempt(KeptAttempt::new(attempt, outcome, reason, at));
        }
    }
}
