//! The balance of an origin's retry budget.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::settings::RetryBudget;

/// Maximum number of retries that `share` accumulates while they are not used.
const MAX_SAVED: f64 = 100.0;

/// The balance of one budget of one origin: a token bucket that calls and time refill.
#[derive(Debug, Default)]
pub(super) struct TokenBucket(Mutex<Option<Balance>>);

#[derive(Debug)]
struct Balance {
    tokens: f64,
    /// When the balance was refilled last.
    at: Instant,
    /// The origin's number of calls at that time.
    calls: u64,
}

impl TokenBucket {
    /// Takes a token for a retry. Returns whether there was one. `calls` is the origin's number of calls so far.
    pub(super) fn withdraw(&self, budget: RetryBudget, calls: u64, now: Instant) -> bool {
        let mut balance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = f64::from(budget.per_second);
        let first = || Balance { tokens: floor, at: now, calls: 0 };
        let balance = balance.get_or_insert_with(first);
        let elapsed = now.saturating_duration_since(balance.at);
        let new_calls = calls.saturating_sub(balance.calls);
        balance.refill(budget.share * approximate(new_calls), floor, elapsed);
        (balance.at, balance.calls) = (now, calls.max(balance.calls));
        let enough = balance.tokens >= 1.0;
        if enough {
            balance.tokens -= 1.0;
        }
        enough
    }
}

impl Balance {
    fn refill(&mut self, share: f64, floor: f64, elapsed: Duration) {
        let by_time = (self.tokens + floor * elapsed.as_secs_f64()).min(floor);
        let by_share = (self.tokens + share).min(MAX_SAVED.max(floor));
        self.tokens = self.tokens.max(by_time).max(by_share);
    }
}

/// Exact up to `u32::MAX`, which is more than a budget can hold.
fn approximate(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of draws granted out of `draws`, with the interval `every` and `calls` calls between two draws.
    fn granted(budget: RetryBudget, draws: u32, every: Duration, calls: u64) -> u32 {
        let (bucket, start) = (TokenBucket::default(), Instant::now());
        let grants = (0..draws).map(|n| bucket.withdraw(budget, calls * u64::from(n + 1), start + every * n));
        u32::try_from(grants.filter(|granted| *granted).count()).unwrap()
    }

    #[test]
    fn retry_budget_with_few_calls_grants_ten_per_second() {
        // 1,000 draws within 10 s: ten at once, then ten per second.
        let got = granted(RetryBudget::new(), 1000, Duration::from_millis(10), 0);
        assert!((109..=110).contains(&got), "{got}");
    }

    #[test]
    fn retry_budget_with_many_calls_grants_a_fifth() {
        // 10,000 calls within 10 s, and a draw for each.
        let got = granted(RetryBudget::new(), 10_000, Duration::from_millis(1), 1);
        assert!((2000..=2011).contains(&got), "{got}");
    }

    #[test]
    fn retry_budget_saves_at_most_100_while_idle() {
        let (bucket, start) = (TokenBucket::default(), Instant::now());
        assert!(bucket.withdraw(RetryBudget::new(), 1, start));
        let later = start + Duration::from_secs(3600);
        let got = (0..1000).filter(|_| bucket.withdraw(RetryBudget::new(), 1_000_000, later)).count();
        assert_eq!(got, 100);
    }

    #[test]
    fn retry_budget_of_zero_grants_nothing() {
        let none = RetryBudget::new().share(f64::NAN).per_second(0);
        assert_eq!(granted(none, 100, Duration::from_secs(1), 1000), 0);
    }
}
