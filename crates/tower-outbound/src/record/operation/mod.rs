//! The records of an operation: its declared steps, their runs, and its report.

#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod operation;
mod outcome;
mod report;
mod run;
mod step;
mod table;

pub use self::operation::Operation;
pub(crate) use self::operation::Plan;
pub use self::outcome::{OperationOutcome, StepOutcome};
pub use self::report::{Report, StepReport};
pub use self::run::StepRun;
pub use self::step::Step;
