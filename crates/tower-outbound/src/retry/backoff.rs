//! How long to wait before a resend.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;

/// The upper bound of the first wait unless set.
pub(super) const BASE: Duration = Duration::from_millis(25);
/// The upper bound of every wait unless set.
pub(super) const CAP: Duration = Duration::from_millis(250);

/// Full jitter: anything from zero to a bound that doubles with each resend.
#[derive(Debug)]
pub(super) struct Backoff {
    pub(super) base: Duration,
    pub(super) cap: Duration,
    rng: Mutex<Rng>,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { base: BASE, cap: CAP, rng: Mutex::new(Rng::new()) }
    }

    pub(super) fn seeded(&self, seed: u64) -> Self {
        Self { base: self.base, cap: self.cap, rng: Mutex::new(Rng::with_seed(seed)) }
    }

    pub(super) fn fork(&self) -> Self {
        let rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner).fork();
        Self { base: self.base, cap: self.cap, rng: Mutex::new(rng) }
    }

    /// Before resend `ordinal`, 0 for the first.
    pub(super) fn delay(&self, ordinal: u32) -> Duration {
        let bound = self.base.saturating_mul(1_u32.checked_shl(ordinal).unwrap_or(u32::MAX)).min(self.cap);
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.rng.lock().unwrap_or_else(PoisonError::into_inner).u64(0..=bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_between_nothing_and_a_bound_that_doubles_up_to_the_cap() {
        let backoff = Backoff::new().seeded(7);
        for (ordinal, bound) in
            [(0, 25), (1, 50), (2, 100), (3, 200), (4, 250), (31, 250), (32, 250), (99, 250)]
        {
            let waits: Vec<_> = (0..1000).map(|_| backoff.delay(ordinal)).collect();
            let bound = Duration::from_millis(bound);
            assert!(waits.iter().all(|wait| *wait <= bound), "{ordinal}");
            // Full jitter uses the whole range.
            assert!(waits.iter().any(|wait| *wait < bound / 10), "{ordinal}");
            assert!(waits.iter().any(|wait| *wait > bound / 10 * 9), "{ordinal}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let backoff = Backoff::new().seeded(seed);
            (0..10).map(|ordinal| backoff.delay(ordinal)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
