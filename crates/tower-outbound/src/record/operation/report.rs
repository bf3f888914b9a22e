//! [`Report`]: how an operation and each of its steps ended.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::table::table;
use super::{OperationOutcome, StepOutcome};
use crate::failure::Failure;

/// How an operation and each declared step ended.
///
/// The `Display` output is a table. With the feature `serde` it serialises as `{"operation", "outcome", "timed_out_in",
/// "total_s", "steps": [{"name", "target", "outcome", "duration_s", "error_type"}]}`, with `null` for what is absent.
///
/// # Example
/// ```text
/// mail: timed_out in select INBOX after 2.001 s
/// step    target   outcome      duration  error
/// login            ok            0.012 s
/// select  INBOX    timed_out     1.988 s  deadline_exceeded
/// select  Archive  not_reached
/// logout           not_reached
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) operation: &'static str,
    pub(super) outcome: OperationOutcome,
    pub(super) total: Duration,
    pub(super) steps: Vec<StepReport>,
}

/// How a step ended; a row of a [`Report`].
#[derive(Clone, Debug)]
pub struct StepReport {
    pub(super) name: &'static str,
    pub(super) target: Option<Arc<str>>,
    pub(super) outcome: StepOutcome,
    pub(super) duration: Option<Duration>,
    pub(super) failure: Option<Failure>,
}

impl Report {
    /// The name of the operation.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// How the operation ended.
    #[must_use]
    pub const fn outcome(&self) -> OperationOutcome {
        self.outcome
    }

    /// The step that ran when the deadline passed. `None` if the operation did not time out, or if no step ran then.
    #[must_use]
    pub fn timed_out_in(&self) -> Option<&StepReport> {
        let timed_out = self.outcome == OperationOutcome::TimedOut;
        self.steps.iter().find(|step| timed_out && step.outcome == StepOutcome::TimedOut)
    }

    /// From the start to the end of the operation.
    #[must_use]
    pub const fn total(&self) -> Duration {
        self.total
    }

    /// Every declared step, in the order of the declaration.
    #[must_use]
    pub fn steps(&self) -> &[StepReport] {
        &self.steps
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(self, f)
    }
}

impl StepReport {
    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the step acted on, if it was declared.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// How the step ended.
    #[must_use]
    pub const fn outcome(&self) -> StepOutcome {
        self.outcome
    }

    /// How long the step ran; `None` if it was not reached.
    #[must_use]
    pub const fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// The failure of a step that failed or timed out.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The value of `error.type`: the status of a response that was turned into an error, otherwise the
    /// [kind](crate::Kind) of the failure.
    #[must_use]
    pub fn error_type(&self) -> Option<Cow<'static, str>> {
        self.failure.as_ref().map(|failure| match (failure.status(), failure.class()) {
            (Some(status), None) => status.as_str().to_owned().into(),
            _ => failure.kind().as_str().into(),
        })
    }
}

#[cfg(feature = "serde")]
mod serialize {
    use serde::ser::{Serialize, SerializeStruct, Serializer};

    use super::{Report, StepReport};

    impl Serialize for Report {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Report", 5)?;
            fields.serialize_field("operation", self.operation)?;
            fields.serialize_field("outcome", self.outcome.as_str())?;
            fields.serialize_field("timed_out_in", &self.timed_out_in().map(StepReport::name))?;
            fields.serialize_field("total_s", &self.total.as_secs_f64())?;
            fields.serialize_field("steps", self.steps())?;
            fields.end()
        }
    }

    impl Serialize for StepReport {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("StepReport", 5)?;
            fields.serialize_field("name", self.name)?;
            fields.serialize_field("target", &self.target())?;
            fields.serialize_field("outcome", self.outcome.as_str())?;
            fields.serialize_field("duration_s", &self.duration.map(|duration| duration.as_secs_f64()))?;
            fields.serialize_field("error_type", &self.error_type().as_deref())?;
            fields.end()
        }
    }
}
