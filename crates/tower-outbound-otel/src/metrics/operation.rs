//! Operations and their steps.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use opentelemetry::{KeyValue, Value};
use tower_outbound::operation::{Operation, Report, StepOutcome, StepRun};

use super::attributes::{sorted, text};
use super::instruments::Instruments;
use crate::error_type::ErrorType;
use crate::semconv::OTHER;
use crate::semconv::attribute as a;
use crate::semconv::outbound as o;

/// Steps, by operation, name, target and server, that have series of their own. The target and the server of others are
/// `_OTHER`.
const STEPS: usize = 100;

/// Which steps have series of their own. Operations are few, so their instruments are not bound.
#[derive(Debug, Default)]
pub(super) struct OperationMetrics {
    admitted: Mutex<HashSet<[Option<Box<str>>; 4]>>,
}

impl OperationMetrics {
    pub(super) fn step_ended(&self, instruments: &Instruments, operation: &Operation, step: &StepRun) {
        let attributes = self.attributes(operation, step);
        if let (Some(duration), Some(instrument)) = (step.duration(), &instruments.operation_step_duration) {
            instrument.record(duration.as_secs_f64(), &attributes);
        }
        if let Some(instrument) = &instruments.operation_steps {
            instrument.add(1, &attributes);
        }
    }

    pub(super) fn ended(&self, instruments: &Instruments, operation: &Operation, report: &Report) {
        if let Some(instrument) = &instruments.operation_steps {
            for step in operation.steps().iter().filter(|step| step.outcome().is_none()) {
                instrument.add(1, &self.attributes(operation, step));
            }
        }
        if let Some(instrument) = &instruments.operation_duration {
            let attributes = sorted([
                (o::OPERATION, text(operation.name())),
                (o::OUTCOME, text(report.outcome().as_str())),
            ]);
            instrument.record(report.total().as_secs_f64(), &attributes);
        }
    }

    fn attributes(&self, operation: &Operation, step: &StepRun) -> Vec<KeyValue> {
        let admitted = self.admits(operation, step);
        let bounded = |value: Option<&str>| -> Option<Value> {
            value.map(|value| if admitted { value.to_owned().into() } else { OTHER.into() })
        };
        let outcome = step.outcome().unwrap_or(StepOutcome::NotReached);
        sorted([
            (a::ERROR_TYPE, step.failure().map(|failure| ErrorType::of(failure).bounded().into())),
            (o::OPERATION, text(operation.name())),
            (o::OUTCOME, text(outcome.as_str())),
            (o::STEP, text(step.name())),
            (o::STEP_TARGET, bounded(step.target())),
            (a::SERVER_ADDRESS, bounded(step.server_address())),
        ])
    }

    fn admits(&self, operation: &Operation, step: &StepRun) -> bool {
        let key = [Some(operation.name()), Some(step.name()), step.target(), step.server_address()];
        let key = key.map(|part| part.map(Box::from));
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        admitted.contains(&key) || (admitted.len() < STEPS && admitted.insert(key))
    }
}
