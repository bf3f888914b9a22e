//! A connect attempt to one address.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

/// A connect attempt to one address, from the start of its TCP handshake to the end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddressAttempt {
    /// The address.
    pub address: SocketAddr,
    /// When the attempt started.
    pub start: Instant,
    /// When the attempt ended.
    pub end: Instant,
    /// The outcome.
    pub outcome: AddressOutcome,
}

/// The outcome of an [`AddressAttempt`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressOutcome {
    /// Connected: this is the connection.
    Connected,
    /// Failed, or ended by the connect timeout.
    Failed(Failure),
    /// Another address connected first.
    Lost,
    /// The whole connect was dropped.
    Cancelled,
}

impl AddressAttempt {
    /// The duration of the attempt.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.end - self.start
    }

    /// The failure, if the attempt failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            AddressOutcome::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}
