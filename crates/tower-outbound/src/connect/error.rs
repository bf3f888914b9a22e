//! The errors of the seats below the pool.

use std::error::Error as StdError;
use std::fmt;

use crate::classify::Failure;
use crate::error::BoxError;
use crate::exchange::Phase;

/// A stage of a connect has failed; the stage's own error is the source.
#[derive(Debug)]
pub struct PhaseError {
    phase: Phase,
    source: BoxError,
}

impl PhaseError {
    pub(crate) fn new(phase: Phase, source: BoxError) -> Self {
        Self { phase, source }
    }

    /// Which stage.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }
}

impl fmt::Display for PhaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phase {} failed", self.phase)
    }
}

impl StdError for PhaseError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// A tracked connect has failed; the connector's own error is the source.
#[derive(Debug)]
pub struct ConnectError {
    failure: Failure,
    source: BoxError,
}

impl ConnectError {
    pub(crate) fn new(failure: Failure, source: BoxError) -> Self {
        Self { failure, source }
    }

    /// What is known of the failure.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connect failed: {}", self.failure)
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
