//! [`Operation`]: declared steps under one deadline.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::{OperationOutcome, Report, Step, StepOutcome, StepRun};
use crate::event::{Event, Observers};
use crate::failure::Failure;
use crate::record::{Deadline, ObserverStates};

/// Named steps of any protocol under one deadline; from [`OperationBuilder::start`](crate::operation::OperationBuilder::start).
///
/// [`step`](Self::step) runs a future as a declared step. [`finish`](Self::finish) returns the [`Report`] of every declared
/// step, reached or not. An operation that is dropped is reported to the observers too.
///
/// # Cancel safety
/// Dropping the future that runs a step cancels the step. Dropping the operation ends it: steps that have not run are not
/// reached.
#[derive(Debug)]
pub struct Operation(Box<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    server_address: Option<Arc<str>>,
    deadline: Deadline,
    start: Instant,
    steps: Box<[StepRun]>,
    /// The outcome of the first step that did not end ok. Best-effort steps do not count.
    first_end: OnceLock<StepOutcome>,
    /// A step was refused because the deadline had passed.
    refused: AtomicBool,
    finished: bool,
    observers: Observers,
    observer_states: ObserverStates,
}

/// What an operation declares.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) server_address: Option<Arc<str>>,
    pub(crate) steps: Vec<Step>,
    pub(crate) observers: Observers,
}

impl Plan {
    pub(crate) fn start(&self, deadline: Deadline) -> Operation {
        let Self { name, server_address, steps, observers } = self.clone();
        let steps = steps.into_iter().map(|mut step| {
            step.server_address = step.server_address.or_else(|| server_address.clone());
            StepRun::new(step)
        });
        let operation = Operation(Box::new(Inner {
            name,
            deadline: Deadline::current().map_or(deadline, |outer| outer.min(deadline)),
            start: Instant::now(),
            steps: steps.collect(),
            server_address,
            first_end: OnceLock::new(),
            refused: AtomicBool::new(false),
            finished: false,
            observers,
            observer_states: ObserverStates::default(),
        }));
        operation.observers().emit(&Event::OperationStarted { operation: &operation });
        operation
    }
}

impl Operation {
    pub(crate) fn observers(&self) -> &Observers {
        &self.0.observers
    }

    /// Starts the first step of this name, and of this target if there is one, that has not run. `None` if there is none.
    pub(crate) fn begin(&self, name: &str, target: Option<&str>) -> Option<&StepRun> {
        let mut named = self
            .0
            .steps
            .iter()
            .filter(|step| step.name() == name && (target.is_none() || step.target() == target));
        let step = named.find(|step| step.claim())?;
        step.start(Instant::now());
        self.observers().emit(&Event::StepStarted { operation: self, step });
        Some(step)
    }

    /// The deadline had passed before a step.
    pub(crate) fn refuse(&self) {
        self.0.refused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, step: &StepRun, outcome: StepOutcome, failure: Option<Failure>) {
        if !step.end(outcome, failure, Instant::now()) {
            return;
        }
        if outcome != StepOutcome::Ok && !step.is_best_effort() {
            let _ = self.0.first_end.set(outcome);
        }
        self.observers().emit(&Event::StepEnded { operation: self, step });
    }

    fn outcome(&self, unfinished: OperationOutcome) -> OperationOutcome {
        if let Some(first) = self.0.first_end.get() {
            return OperationOutcome::of(*first);
        }
        let mut needed = self.0.steps.iter().filter(|step| !step.is_best_effort());
        if needed.all(|step| step.outcome() == Some(StepOutcome::Ok)) {
            OperationOutcome::Ok
        } else if self.0.refused.load(Ordering::Relaxed) || self.0.deadline.has_passed() {
            OperationOutcome::TimedOut
        } else {
            unfinished
        }
    }

    /// Ends the operation, and each step whose future was leaked.
    fn close(&mut self, unfinished: OperationOutcome) -> Report {
        self.0.finished = true;
        for step in self.0.steps.iter().filter(|step| step.is_running()) {
            self.end(step, StepOutcome::Cancelled, None);
        }
        let report = Report {
            operation: self.0.name,
            outcome: self.outcome(unfinished),
            total: self.0.start.elapsed(),
            steps: self.0.steps.iter().map(StepRun::report).collect(),
        };
        self.observers().emit(&Event::OperationEnded { operation: self, report: &report });
        report
    }

    /// Ends the operation. The report has every declared step, reached or not.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.close(OperationOutcome::Failed)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The server that the operation talks to, if it was declared.
    #[must_use]
    pub fn server_address(&self) -> Option<&str> {
        self.0.server_address.as_deref()
    }

    /// The deadline of every step: the one given at the start, or an earlier one of the scope around it.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.0.deadline
    }

    /// When the operation was started.
    #[must_use]
    pub fn start_time(&self) -> Instant {
        self.0.start
    }

    /// Every declared step, in the order of the declaration.
    #[must_use]
    pub fn steps(&self) -> &[StepRun] {
        &self.0.steps
    }

    pub(in crate::record) fn states(&self) -> &ObserverStates {
        &self.0.observer_states
    }

    observer_state!();
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.0.finished {
            self.close(OperationOutcome::Cancelled);
        }
    }
}
