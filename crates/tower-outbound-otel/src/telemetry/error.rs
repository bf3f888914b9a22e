use std::error::Error as StdError;
use std::fmt;

use opentelemetry_sdk::error::OTelSdkError;

/// The pipeline could not be built, flushed or shut down.
#[derive(Debug)]
pub struct TelemetryError {
    doing: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

impl TelemetryError {
    pub(super) fn new(doing: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { doing, source: source.into() }
    }

    /// `Ok` where the SDK says so, or was shut down already.
    pub(super) fn of_sdk(doing: &'static str, result: Result<(), OTelSdkError>) -> Result<(), Self> {
        match result {
            Ok(()) | Err(OTelSdkError::AlreadyShutdown) => Ok(()),
            Err(error) => Err(Self::new(doing, error)),
        }
    }
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "telemetry: {} failed", self.doing)
    }
}

impl StdError for TelemetryError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
