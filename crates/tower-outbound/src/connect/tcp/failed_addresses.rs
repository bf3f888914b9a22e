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
mod tests {
    use super::*;
    use crate::failure::{Failure, Kind};

    const A: &str = "192.0.2.1:80";
    const B: &str = "192.0.2.2:80";

    /// Attempts: address, start and end in milliseconds, outcome.
    fn record(addresses: &FailedAddresses, authority: &str, attempts: &[(&str, u64, u64, AddressOutcome)]) {
        let now = Instant::now();
        let at = |ms: &u64| now + Duration::from_millis(*ms);
        let attempts: Vec<_> = attempts
            .iter()
            .map(|(address, start, end, outcome)| AddressAttempt {
                address: address.parse().unwrap(),
                start: at(start),
                end: at(end),
                outcome: outcome.clone(),
            })
            .collect();
        addresses.record(authority, attempts.iter());
    }

    fn failed() -> AddressOutcome {
        AddressOutcome::Failed(Failure::new(Kind::ConnectionRefused))
    }

    fn last(addresses: &FailedAddresses, authority: &str) -> Option<String> {
        addresses.last_failed(authority).map(|address| address.to_string())
    }

    use AddressOutcome::{Cancelled, Connected, Lost};

    #[tokio::test(start_paused = true)]
    async fn address_memory_keeps_last_failed_until_connected() {
        let addresses = FailedAddresses::default();
        record(&addresses, "a:80", &[(A, 0, 5, failed()), (B, 5, 9, failed())]);
        assert_eq!(last(&addresses, "a:80").as_deref(), Some(B));
        assert_eq!(last(&addresses, "b:80"), None);
        record(&addresses, "a:80", &[(A, 0, 5, Connected)]);
        assert_eq!(last(&addresses, "a:80").as_deref(), Some(B), "that address was not tried");
        record(&addresses, "a:80", &[(B, 0, 5, Connected)]);
        assert_eq!((last(&addresses, "a:80"), addresses.len()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_counts_earlier_loser_but_not_later_loser() {
        let addresses = FailedAddresses::default();
        record(&addresses, "a:80", &[(B, 250, 260, Connected), (A, 0, 260, Lost)]);
        assert_eq!(last(&addresses, "a:80").as_deref(), Some(A));
        record(&addresses, "b:80", &[(A, 0, 260, Connected), (B, 250, 260, Lost)]);
        assert_eq!(last(&addresses, "b:80"), None);
        record(&addresses, "c:80", &[(A, 0, 260, Cancelled), (B, 250, 260, Cancelled)]);
        assert_eq!(last(&addresses, "c:80"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_keeps_first_of_addresses_cut_by_timeout() {
        let addresses = FailedAddresses::default();
        record(&addresses, "a:80", &[(A, 0, 900, failed()), (B, 250, 900, failed())]);
        assert_eq!(last(&addresses, "a:80").as_deref(), Some(A));
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_forgets_after_ten_minutes() {
        let addresses = FailedAddresses::default();
        record(&addresses, "a:80", &[(A, 0, 0, failed())]);
        tokio::time::advance(Duration::from_millis(599_999)).await;
        assert_eq!(last(&addresses, "a:80").as_deref(), Some(A));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((last(&addresses, "a:80"), addresses.len()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_keeps_1000_origins_that_failed_latest() {
        let addresses = FailedAddresses::default();
        for origin in 0..1500 {
            record(&addresses, &format!("a:{origin}"), &[(A, 0, 0, failed())]);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(addresses.len(), 1000);
        assert_eq!((last(&addresses, "a:499"), last(&addresses, "a:500").as_deref()), (None, Some(A)));
    }
}
