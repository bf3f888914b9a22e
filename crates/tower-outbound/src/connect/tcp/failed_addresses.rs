//! [`FailedAddresses`]: the address that failed last, per origin.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use crate::record::{AddressAttempt, AddressOutcome};

/// Beyond this number of origins, the oldest failure is forgotten.
const MAX_ORIGINS: usize = 1000;
/// A failure is forgotten after this time.
const KEEP_FOR: Duration = Duration::from_secs(600);

/// The address that failed last, by `host:port`.
#[derive(Debug, Default)]
pub(super) struct FailedAddresses(Mutex<HashMap<Box<str>, Failed>>);

#[derive(Debug)]
struct Failed {
    address: SocketAddr,
    at: Instant,
}

impl FailedAddresses {
    pub(super) fn last_failed(&self, authority: &str) -> Option<SocketAddr> {
        let mut origins = self.origins();
        let failed = origins.get(authority)?;
        if failed.at.elapsed() < KEEP_FOR {
            return Some(failed.address);
        }
        origins.remove(authority);
        None
    }

    /// Records the attempts of a finished connect.
    ///
    /// An address that a later one overtook counts as failed, since it did not answer within the delay.
    pub(super) fn record<'a>(
        &self,
        authority: &str,
        attempts: impl Iterator<Item = &'a AddressAttempt> + Clone,
    ) {
        let winner = attempts.clone().find(|attempt| attempt.outcome == AddressOutcome::Connected);
        let failed = attempts.filter(|attempt| match attempt.outcome {
            AddressOutcome::Failed(_) => true,
            AddressOutcome::Lost => winner.is_some_and(|winner| attempt.start < winner.start),
            _ => false,
        });
        // Of the attempts that the timeout ended together, the one that started first.
        match (failed.max_by_key(|attempt| (attempt.end, Reverse(attempt.start))), winner) {
            (Some(failed), _) => self.insert(authority, Failed { address: failed.address, at: failed.end }),
            (None, Some(winner)) => self.remove(authority, winner.address),
            (None, None) => {}
        }
    }

    fn insert(&self, authority: &str, failed: Failed) {
        let mut origins = self.origins();
        if origins.len() >= MAX_ORIGINS && !origins.contains_key(authority) {
            let oldest = origins.iter().min_by_key(|(_, failed)| failed.at).map(|(origin, _)| origin.clone());
            if let Some(oldest) = oldest {
                origins.remove(&oldest);
            }
        }
        origins.insert(authority.into(), failed);
    }

    fn remove(&self, authority: &str, address: SocketAddr) {
        let mut origins = self.origins();
        if origins.get(authority).is_some_and(|failed| failed.address == address) {
            origins.remove(authority);
        }
    }

    fn origins(&self) -> MutexGuard<'_, HashMap<Box<str>, Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.origins().len()
    }
}

#[cfg(test)]
mod tests;
