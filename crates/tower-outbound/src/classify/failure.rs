//! What is known of a failure.

use std::error::Error as StdError;
use std::fmt;

use super::chain;
use super::{Class, Kind};
use crate::exchange::Phase;

/// What is known of a failed exchange or setup: its kind, and the phase it happened in.
///
/// # Example
/// ```
/// use tower_outbound::{Class, Failure, Kind};
///
/// let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let failure = Failure::of(&error);
/// assert_eq!(failure.kind(), Kind::ConnectionRefused);
/// assert_eq!(failure.class(), Some(Class::ConnectionRefused));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: Kind,
    phase: Option<Phase>,
    os_error: Option<i32>,
}

impl Failure {
    /// Walks the whole source chain of an error.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        chain::failure_of(error)
    }

    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, phase: None, os_error: None }
    }

    pub(crate) const fn with_phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// Fills in the phase of the setup that it happened in, and what that says of the kind.
    pub(crate) fn in_setup(self, phase: Phase) -> Self {
        let kind = match (phase, self.kind) {
            (Phase::Dns, Kind::Connection | Kind::Other) => Kind::NameResolution,
            (Phase::Tcp, Kind::Other) => Kind::Connection,
            (Phase::Dns | Phase::Tcp, Kind::ResponseTimeout) => Kind::ConnectTimeout,
            (Phase::Tls, Kind::Connection | Kind::Other | Kind::ResponseEnded) => Kind::SecureConnection,
            (_, kind) => kind,
        };
        Self { kind, phase: Some(phase), ..self }
    }

    pub(crate) const fn with_os_error(mut self, os_error: Option<i32>) -> Self {
        self.os_error = os_error;
        self
    }

    /// What kind of error it was.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The coarse class; `None` where the network had no part in it.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        self.kind.class()
    }

    /// In which phase it happened, where that is known.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// The operating system's error number, where there was one.
    #[must_use]
    pub const fn os_error(&self) -> Option<i32> {
        self.os_error
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.phase {
            Some(phase) => write!(f, "{} in phase {phase}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}
