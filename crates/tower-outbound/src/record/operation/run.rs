//! [`StepRun`]: a step of one operation, from its start to its end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{Step, StepOutcome, StepReport};
use crate::failure::Failure;
use crate::record::ObserverStates;

/// A step of a running operation, as observers see it.
#[derive(Debug)]
pub struct StepRun(Inner);

#[derive(Debug)]
struct Inner {
    step: Step,
    /// A future runs as this step.
    claimed: AtomicBool,
    start: OnceLock<Instant>,
    end: OnceLock<End>,
    observer_states: ObserverStates,
}

#[derive(Debug)]
struct End {
    outcome: StepOutcome,
    failure: Option<Failure>,
    at: Instant,
}

impl StepRun {
    pub(super) fn new(step: Step) -> Self {
        let (claimed, start, end) = (AtomicBool::new(false), OnceLock::new(), OnceLock::new());
        Self(Inner { step, claimed, start, end, observer_states: ObserverStates::default() })
    }

    /// Whether the caller is the first who runs the step.
    pub(super) fn claim(&self) -> bool {
        !self.0.claimed.swap(true, Ordering::Relaxed)
    }

    pub(super) fn start(&self, at: Instant) {
        let _ = self.0.start.set(at);
    }

    /// Returns false if the step has ended before.
    pub(super) fn end(&self, outcome: StepOutcome, failure: Option<Failure>, at: Instant) -> bool {
        self.0.end.set(End { outcome, failure, at }).is_ok()
    }

    pub(super) fn is_running(&self) -> bool {
        self.0.start.get().is_some() && self.0.end.get().is_none()
    }

    pub(super) fn report(&self) -> StepReport {
        StepReport {
            name: self.name(),
            target: self.0.step.target.clone(),
            outcome: self.outcome().unwrap_or(StepOutcome::NotReached),
            duration: self.duration(),
            failure: self.failure().cloned(),
        }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.0.step.name
    }

    /// What the step acts on, if it was declared.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.0.step.target.as_deref()
    }

    /// The server that the step talks to, if it was declared for the step or for the operation.
    #[must_use]
    pub fn server_address(&self) -> Option<&str> {
        self.0.step.server_address.as_deref()
    }

    /// Whether the outcome does not count for the operation's.
    #[must_use]
    pub const fn is_best_effort(&self) -> bool {
        self.0.step.best_effort
    }

    /// When its future was first polled; `None` if the step was not reached.
    #[must_use]
    pub fn start_time(&self) -> Option<Instant> {
        self.0.start.get().copied()
    }

    /// When it ended; `None` while it runs, and if it was not reached.
    #[must_use]
    pub fn end_time(&self) -> Option<Instant> {
        self.0.end.get().map(|end| end.at)
    }

    /// From the start to the end; `None` while it runs, and if it was not reached.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        Some(self.end_time()?.saturating_duration_since(self.start_time()?))
    }

    /// How it ended; `None` before. At the end of the operation, a step without an outcome was not reached.
    #[must_use]
    pub fn outcome(&self) -> Option<StepOutcome> {
        self.0.end.get().map(|end| end.outcome)
    }

    /// The failure of a step that failed or timed out.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.end.get()?.failure.as_ref()
    }

    observer_state!();
}
