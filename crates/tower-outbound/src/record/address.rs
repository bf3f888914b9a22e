//! One address that was tried.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

/// One address that a connect tried, from the begin of its TCP handshake to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddressAttempt {
    /// The address.
    pub address: SocketAddr,
    /// When it was begun.
    pub start: Instant,
    /// When it was over.
    pub end: Instant,
    /// How it went.
    pub outcome: AddressOutcome,
}

/// How an [`AddressAttempt`] went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressOutcome {
    /// It is the connection.
    Connected,
    /// It failed, or the timeout of the connect cut it off.
    Failed(Failure),
    /// Another address was faster.
    Lost,
    /// The whole connect was dropped.
    Cancelled,
}

impl AddressAttempt {
    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.end - self.start
    }

    /// What went wrong.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            AddressOutcome::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}
