//! How steps and operations end.

use crate::util::named_enum;

named_enum! {
    /// How a step ended: the values of `outbound.outcome` on its span and metrics.
    pub enum StepOutcome {
        /// Its future returned `Ok`.
        Ok = "ok",
        /// Its future returned an error.
        Failed = "failed",
        /// The deadline passed while it ran, or its error is [`Kind::DeadlineExceeded`](crate::Kind::DeadlineExceeded).
        TimedOut = "timed_out",
        /// Its future was dropped while it ran, or panicked.
        Cancelled = "cancelled",
        /// It never started: an earlier step ended the operation, or the deadline had passed.
        NotReached = "not_reached",
    }

    /// The value of `outbound.outcome`.
    pub const fn as_str(self);
    pub const ALL;
}

named_enum! {
    /// How an operation ended. Best-effort steps do not count.
    pub enum OperationOutcome {
        /// Every step is ok.
        Ok = "ok",
        /// A step failed, or the operation was finished before all steps had run.
        Failed = "failed",
        /// The deadline passed.
        TimedOut = "timed_out",
        /// A step was cancelled, or the operation was dropped before all steps had run.
        Cancelled = "cancelled",
    }

    /// The value of `outbound.outcome`.
    pub const fn as_str(self);
    pub const ALL;
}

impl OperationOutcome {
    /// That of an operation in which this step is the first that did not end ok.
    pub(super) const fn of(first: StepOutcome) -> Self {
        match first {
            StepOutcome::Ok => Self::Ok,
            StepOutcome::Failed | StepOutcome::NotReached => Self::Failed,
            StepOutcome::TimedOut => Self::TimedOut,
            StepOutcome::Cancelled => Self::Cancelled,
        }
    }
}
