use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::BoxError;

/// A step of an [`Operation`](crate::operation::Operation) did not end ok.
///
/// [`Failure::of`](crate::Failure::of) classifies it: [`DeadlineExceeded`](crate::Kind::DeadlineExceeded) if the deadline has
/// passed, otherwise by the step's own error, which is the [source](StdError::source).
#[derive(Debug)]
pub struct StepError {
    name: &'static str,
    target: Option<Arc<str>>,
    cause: StepCause,
}

#[derive(Debug)]
pub(crate) enum StepCause {
    Failed(BoxError),
    /// With the step's own error, if it has returned one.
    TimedOut(Option<BoxError>),
    NotReached,
    NotDeclared,
}

impl StepError {
    pub(crate) const fn new(name: &'static str, target: Option<Arc<str>>, cause: StepCause) -> Self {
        Self { name, target, cause }
    }

    /// The name of the step.
    #[must_use]
    pub const fn step(&self) -> &'static str {
        self.name
    }

    /// What the step acts on.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Whether the deadline has passed, in this step or before it.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self.cause, StepCause::TimedOut(_) | StepCause::NotReached)
    }

    /// Whether the step's future was never polled: the deadline had passed, or the step is not declared.
    #[must_use]
    pub const fn is_not_reached(&self) -> bool {
        matches!(self.cause, StepCause::NotReached | StepCause::NotDeclared)
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            StepCause::Failed(_) => "failed in step ",
            StepCause::TimedOut(_) => "the deadline passed in step ",
            StepCause::NotReached => "the deadline had passed before step ",
            StepCause::NotDeclared => "not declared, or run already: step ",
        })?;
        f.write_str(self.name)?;
        self.target.iter().try_for_each(|target| write!(f, " {target:?}"))
    }
}

impl StdError for StepError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            StepCause::Failed(error) | StepCause::TimedOut(Some(error)) => Some(&**error),
            _ => None,
        }
    }
}
