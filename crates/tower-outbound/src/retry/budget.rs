//! What is left of an origin's retry budget.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::settings::RetryBudget;

/// What a quiet time can save up of the share.
const SAVED: f64 = 100.0;

/// What is left of one origin's budget.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<Option<Balance>>);

#[derive(Debug)]
struct Balance {
    tokens: f64,
    at: Instant,
    calls: u64,
}

impl Account {
    /// Whether a retry may be made; it is drawn. `calls` is how many calls there were in all.
    pub(super) fn draw(&self, budget: RetryBudget, calls: u64, now: Instant) -> bool {
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
        let by_share = (self.tokens + share).min(SAVED.max(floor));
        self.tokens = self.tokens.max(by_time).max(by_share);
    }
}

/// Exact as far as a budget can tell.
fn approximate(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `draws` are granted, `every` apart, with so many calls between two.
    fn granted(budget: RetryBudget, draws: u32, every: Duration, calls: u64) -> u32 {
        let (account, start) = (Account::default(), Instant::now());
        let grants = (0..draws).map(|n| account.draw(budget, calls * u64::from(n + 1), start + every * n));
        u32::try_from(grants.filter(|granted| *granted).count()).unwrap()
    }

    #[test]
    fn retry_budget_with_few_calls_grants_ten_per_second() {
        // 1,000 draws within 10 s: ten at once, and ten for each second.
        let got = granted(RetryBudget::new(), 1000, Duration::from_millis(10), 0);
        assert!((109..=110).contains(&got), "{got}");
    }

    #[test]
    fn retry_budget_with_many_calls_grants_a_fifth() {
        // Each of 10,000 calls within 10 s wants a retry.
        let got = granted(RetryBudget::new(), 10_000, Duration::from_millis(1), 1);
        assert!((2000..=2011).contains(&got), "{got}");
    }

    #[test]
    fn retry_budget_saves_at_most_100_while_idle() {
        let (account, start) = (Account::default(), Instant::now());
        assert!(account.draw(RetryBudget::new(), 1, start));
        let later = start + Duration::from_secs(3600);
        let got = (0..1000).filter(|_| account.draw(RetryBudget::new(), 1_000_000, later)).count();
        assert_eq!(got, 100);
    }

    #[test]
    fn retry_budget_of_zero_grants_nothing() {
        let none = RetryBudget::new().share(f64::NAN).per_second(0);
        assert_eq!(granted(none, 100, Duration::from_secs(1), 1000), 0);
    }
}
