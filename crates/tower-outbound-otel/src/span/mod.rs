//! The spans of attempts, their phases and connects.

mod attempt;
mod attempt_attributes;
mod attempt_phases;
mod call;
mod clock;
mod late;
mod operation;
mod setup;
mod setup_phases;
mod tracer;

pub(crate) use self::attempt::{AttemptState, Parent};
pub(crate) use self::call::CallState;
pub(crate) use self::clock::Clock;
pub(crate) use self::late::Shared;
pub use self::late::{AttemptSink, EndedAttempt, MadeSpan, Started};
pub(crate) use self::operation::OperationSpan;
pub(crate) use self::setup::SetupState;
pub(crate) use self::tracer::SpanTracer;
