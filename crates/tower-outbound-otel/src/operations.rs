//! Operations and their steps.

use opentelemetry::{Context, Value};
use tokio::time::Instant;
use tower_outbound::Failure;
use tower_outbound::event::ObserverKey;
use tower_outbound::operation::{Operation, OperationOutcome, Report, StepOutcome, StepRun};

use crate::metrics::Recorder;
use crate::semconv::attribute as a;
use crate::semconv::outbound as o;
use crate::span::{OperationSpan, SpanTracer};

/// Their spans. A suppressed operation has none, and no metrics.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    operations: ObserverKey<OperationSpan>,
    steps: ObserverKey<OperationSpan>,
}

impl Operations {
    pub(crate) fn started(&self, tracer: &SpanTracer, operation: &Operation) {
        let caller = Context::current();
        if caller.is_telemetry_suppressed() {
            return;
        }
        let (name, start) = (format!("operation {}", operation.name()), operation.start_time());
        let attributes = [(a::SERVER_ADDRESS, text(operation.server_address()))];
        let span = OperationSpan::start(tracer, name, start, attributes, [&caller; 2]);
        operation.observer_state_or_init(&self.operations, || span);
    }

    pub(crate) fn step_started(&self, tracer: &SpanTracer, operation: &Operation, step: &StepRun) {
        let parent = operation.observer_state(&self.operations).and_then(OperationSpan::context);
        let Some(parent) = parent else { return };
        let name = format!("step {}", step.name());
        let start = step.start_time().unwrap_or_else(Instant::now);
        let attributes =
            [(a::SERVER_ADDRESS, text(step.server_address())), (o::STEP_TARGET, text(step.target()))];
        let span = OperationSpan::start(tracer, name, start, attributes, [&parent, &Context::current()]);
        step.observer_state_or_init(&self.steps, || span);
    }

    /// The context in which a step is polled: calls inside are children of its span.
    pub(crate) fn context(&self, step: &StepRun) -> Option<Context> {
        step.observer_state(&self.steps).and_then(OperationSpan::context)
    }

    pub(crate) fn step_ended(&self, recorder: &Recorder, operation: &Operation, step: &StepRun) {
        let Some(span) = step.observer_state(&self.steps) else { return };
        let outcome = step.outcome().unwrap_or(StepOutcome::Cancelled);
        span.end(outcome.as_str(), step.failure(), step.end_time().unwrap_or_else(Instant::now));
        recorder.step_ended(operation, step);
    }

    pub(crate) fn ended(&self, recorder: &Recorder, operation: &Operation, report: &Report) {
        let Some(span) = operation.observer_state(&self.operations) else { return };
        let end = operation.start_time() + report.total();
        span.end(report.outcome().as_str(), failure(operation, report.outcome()), end);
        recorder.operation_ended(operation, report);
    }
}

/// The failure that decided the outcome.
fn failure(operation: &Operation, outcome: OperationOutcome) -> Option<&Failure> {
    let outcome = match outcome {
        OperationOutcome::Failed => StepOutcome::Failed,
        OperationOutcome::TimedOut => StepOutcome::TimedOut,
        _ => return None,
    };
    let mut steps = operation.steps().iter().filter(|step| step.outcome() == Some(outcome));
    steps.find(|step| !step.is_best_effort())?.failure()
}

fn text(value: Option<&str>) -> Option<Value> {
    value.map(|value| value.to_owned().into())
}
