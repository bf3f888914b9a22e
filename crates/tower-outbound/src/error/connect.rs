//! The errors of the layers below the pool.

use std::error::Error as StdError;
use std::fmt;

use crate::error::BoxError;
use crate::failure::{DnsFailure, Failure, Phase};

/// A phase of a connect failed. The source is the error of that phase.
#[derive(Debug)]
pub struct PhaseError {
    phase: Phase,
    source: BoxError,
}

impl PhaseError {
    pub(crate) fn new(phase: Phase, source: BoxError) -> Self {
        Self { phase, source }
    }

    /// The phase that failed.
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

/// A tracked connect failed. The source is the connector's error.
#[derive(Debug)]
pub struct ConnectError {
    failure: Failure,
    source: BoxError,
}

impl ConnectError {
    pub(crate) fn new(failure: Failure, source: BoxError) -> Self {
        Self { failure, source }
    }

    /// The classified failure.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The source names the phase and the reason.
        f.write_str("connect failed")
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// An error with which a resolver gives the reason of its failure: [`Failure::dns`] returns it. The kind is always
/// `name_resolution_error`.
///
/// std's resolver does not expose the code of `getaddrinfo`, so only other resolvers can give a reason.
///
/// # Example
/// ```
/// use tower_outbound::{Class, Failure};
/// use tower_outbound::connect::ResolveError;
/// use tower_outbound::failure::DnsFailure;
///
/// let failure = Failure::of(&ResolveError::new(DnsFailure::TryAgain));
/// assert_eq!(failure.kind().as_str(), "name_resolution_error");
/// assert_eq!(failure.dns(), Some(DnsFailure::TryAgain));
/// assert_eq!(failure.class(), Some(Class::Timeout));
/// ```
#[derive(Debug)]
pub struct ResolveError {
    failure: DnsFailure,
    source: Option<BoxError>,
}

impl ResolveError {
    /// Creates an error with this reason.
    #[must_use]
    pub const fn new(failure: DnsFailure) -> Self {
        Self { failure, source: None }
    }

    /// Sets the resolver's own error as the source.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The reason.
    #[must_use]
    pub const fn failure(&self) -> DnsFailure {
        self.failure
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name was not resolved: {}", self.failure)
    }
}

impl StdError for ResolveError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
