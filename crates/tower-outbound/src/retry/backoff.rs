//! The delay before a retry.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;

/// Full jitter: a random delay between zero and a bound that doubles with each retry.
#[derive(Debug)]
pub(super) struct Jitter(Mutex<Rng>);

impl Jitter {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Rng::new()))
    }

    pub(super) fn seeded(seed: u64) -> Self {
        Self(Mutex::new(Rng::with_seed(seed)))
    }

    /// An independent generator; deterministic if this one was seeded.
    pub(super) fn fork(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).fork()))
    }

    /// The delay before the retry with this ordinal, 0 for the first retry.
    pub(super) fn delay(&self, base: Duration, cap: Duration, ordinal: u32) -> Duration {
        let bound = base.saturating_mul(1_u32.checked_shl(ordinal).unwrap_or(u32::MAX)).min(cap);
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(0..=bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(25);
    const CAP: Duration = Duration::from_millis(250);

    #[test]
    fn backoff_delay_has_full_jitter_with_doubling_bound_to_cap() {
        let backoff = Jitter::seeded(7);
        for (ordinal, bound) in
            [(0, 25), (1, 50), (2, 100), (3, 200), (4, 250), (31, 250), (32, 250), (99, 250)]
        {
            let delays: Vec<_> = (0..1000).map(|_| backoff.delay(BASE, CAP, ordinal)).collect();
            let bound = Duration::from_millis(bound);
            assert!(delays.iter().all(|delay| *delay <= bound), "{ordinal}");
            // Full jitter spreads the delays over the whole range.
            assert!(delays.iter().any(|delay| *delay < bound / 10), "{ordinal}");
            assert!(delays.iter().any(|delay| *delay > bound / 10 * 9), "{ordinal}");
        }
    }

    #[test]
    fn backoff_same_seed_gives_same_delays() {
        let delays = |seed| {
            let backoff = Jitter::seeded(seed);
            (0..10).map(|ordinal| backoff.delay(BASE, CAP, ordinal)).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}
