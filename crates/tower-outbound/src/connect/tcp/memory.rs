//! Which address failed last, per origin.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use crate::record::{AddressAttempt, AddressOutcome};

/// Beyond this many origins the one that failed longest ago is forgotten.
const ORIGINS: usize = 1000;
/// After this time an address may come first again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// The address that failed last, by `host:port`.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<Box<str>, Failed>>);

#[derive(Debug)]
struct Failed {
    address: SocketAddr,
    at: Instant,
}

impl Memory {
    pub(super) fn failed_last(&self, authority: &str) -> Option<SocketAddr> {
        let mut origins = self.origins();
        let failed = origins.get(authority)?;
        if failed.at.elapsed() < FORGOTTEN_AFTER {
            return Some(failed.address);
        }
        origins.remove(authority);
        None
    }

    /// Learns from a connect that is over.
    ///
    /// An address that a later one has overtaken counts as failed: it did not answer in the time given to it.
    pub(super) fn learn<'a>(
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
        // Of those that the timeout cut off together, the one that was tried first.
        match (failed.max_by_key(|attempt| (attempt.end, Reverse(attempt.start))), winner) {
            (Some(failed), _) => self.remember(authority, Failed { address: failed.address, at: failed.end }),
            (None, Some(winner)) => self.forget(authority, winner.address),
            (None, None) => {}
        }
    }

    fn remember(&self, authority: &str, failed: Failed) {
        let mut origins = self.origins();
        if origins.len() >= ORIGINS && !origins.contains_key(authority) {
            let oldest = origins.iter().min_by_key(|(_, failed)| failed.at).map(|(origin, _)| origin.clone());
            if let Some(oldest) = oldest {
                origins.remove(&oldest);
            }
        }
        origins.insert(authority.into(), failed);
    }

    fn forget(&self, authority: &str, address: SocketAddr) {
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

    /// Attempts by address, begin and end in milliseconds, and outcome.
    fn learn(memory: &Memory, authority: &str, attempts: &[(&str, u64, u64, AddressOutcome)]) {
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
        memory.learn(authority, attempts.iter());
    }

    fn failed() -> AddressOutcome {
        AddressOutcome::Failed(Failure::new(Kind::ConnectionRefused))
    }

    fn last(memory: &Memory, authority: &str) -> Option<String> {
        memory.failed_last(authority).map(|address| address.to_string())
    }

    use AddressOutcome::{Cancelled, Connected, Lost};

    #[tokio::test(start_paused = true)]
    async fn address_memory_keeps_last_failed_until_connected() {
        let memory = Memory::default();
        learn(&memory, "a:80", &[(A, 0, 5, failed()), (B, 5, 9, failed())]);
        assert_eq!(last(&memory, "a:80").as_deref(), Some(B));
        assert_eq!(last(&memory, "b:80"), None);
        learn(&memory, "a:80", &[(A, 0, 5, Connected)]);
        assert_eq!(last(&memory, "a:80").as_deref(), Some(B), "nothing new of it");
        learn(&memory, "a:80", &[(B, 0, 5, Connected)]);
        assert_eq!((last(&memory, "a:80"), memory.len()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_counts_earlier_loser_but_not_later_loser() {
        let memory = Memory::default();
        learn(&memory, "a:80", &[(B, 250, 260, Connected), (A, 0, 260, Lost)]);
        assert_eq!(last(&memory, "a:80").as_deref(), Some(A));
        learn(&memory, "b:80", &[(A, 0, 260, Connected), (B, 250, 260, Lost)]);
        assert_eq!(last(&memory, "b:80"), None);
        learn(&memory, "c:80", &[(A, 0, 260, Cancelled), (B, 250, 260, Cancelled)]);
        assert_eq!(last(&memory, "c:80"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_keeps_first_of_addresses_cut_by_timeout() {
        let memory = Memory::default();
        learn(&memory, "a:80", &[(A, 0, 900, failed()), (B, 250, 900, failed())]);
        assert_eq!(last(&memory, "a:80").as_deref(), Some(A));
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_forgets_after_ten_minutes() {
        let memory = Memory::default();
        learn(&memory, "a:80", &[(A, 0, 0, failed())]);
        tokio::time::advance(Duration::from_millis(599_999)).await;
        assert_eq!(last(&memory, "a:80").as_deref(), Some(A));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((last(&memory, "a:80"), memory.len()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn address_memory_keeps_1000_origins_that_failed_latest() {
        let memory = Memory::default();
        for origin in 0..1500 {
            learn(&memory, &format!("a:{origin}"), &[(A, 0, 0, failed())]);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(memory.len(), 1000);
        assert_eq!((last(&memory, "a:499"), last(&memory, "a:500").as_deref()), (None, Some(A)));
    }
}
