use std::error::Error as StdError;
use std::fmt;

use opentelemetry_sdk::error::OTelSdkError;

/// Building or flushing the pipeline failed.
#[derive(Debug)]
pub struct TelemetryError(Cause);

#[derive(Debug)]
enum Cause {
    Failed { doing: &'static str, source: Box<dyn StdError + Send + Sync> },
    AlreadySet { what: &'static str, instead: &'static str },
}

impl TelemetryError {
    pub(crate) fn new(doing: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Cause::Failed { doing, source: source.into() })
    }

    pub(crate) fn already_set(what: &'static str, instead: &'static str) -> Self {
        Self(Cause::AlreadySet { what, instead })
    }

    /// A provider that was shut down already is not an error.
    pub(crate) fn of_sdk(doing: &'static str, result: Result<(), OTelSdkError>) -> Result<(), Self> {
        match result {
            Ok(()) | Err(OTelSdkError::AlreadyShutdown) => Ok(()),
            Err(error) => Err(Self::new(doing, error)),
        }
    }

    /// The global object that the process has already, if that is the reason. `Display` names the alternative.
    #[must_use]
    pub fn already_set_what(&self) -> Option<&'static str> {
        match self.0 {
            Cause::AlreadySet { what, .. } => Some(what),
            Cause::Failed { .. } => None,
        }
    }
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Failed { doing, .. } => write!(f, "telemetry: {doing} failed"),
            Cause::AlreadySet { what, instead } => {
                write!(f, "telemetry: the process has a {what} already; {instead}")
            }
        }
    }
}

impl StdError for TelemetryError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Cause::Failed { source, .. } => Some(&**source),
            Cause::AlreadySet { .. } => None,
        }
    }
}
