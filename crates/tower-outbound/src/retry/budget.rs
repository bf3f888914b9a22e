//! How many resends an origin gets.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many of the calls may be sent again unless set.
const SHARE: f64 = 0.2;
/// How many a second may be sent again however few the calls are, unless set.
const PER_SECOND: u32 = 10;
/// What a quiet time can save up of the share.
const SAVED: f64 = 100.0;

/// How many resends an origin gets: a share of its calls, and at least so many a second.
///
/// What is not used is saved for bursts: of the second figure one second's, of the share up to 100 resends.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a budget does nothing unless given to a layer"]
pub struct RetryBudget {
    share: f64,
    per_second: u32,
}

impl RetryBudget {
    /// 20 % of the calls, and at least 10 a second.
    pub const fn new() -> Self {
        Self { share: SHARE, per_second: PER_SECOND }
    }

    /// Which part of the calls, from 0 to 1: 0.2 unless set. What is no part counts as the nearest that is.
    pub const fn share(mut self, share: f64) -> Self {
        self.share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self
    }

    /// How many a second at least: 10 unless set; 0 is none.
    pub const fn per_second(mut self, per_second: u32) -> Self {
        self.per_second = per_second;
        self
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

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
    /// Whether a resend may be made; it is drawn. `calls` is how many calls there were in all.
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
    fn few_calls_get_ten_a_second() {
        // 1,000 draws within 10 s: ten at once, and ten for each second.
        let got = granted(RetryBudget::new(), 1000, Duration::from_millis(10), 0);
        assert!((109..=110).contains(&got), "{got}");
    }

    #[test]
    fn many_calls_get_a_fifth() {
        // Each of 10,000 calls within 10 s wants a resend.
        let got = granted(RetryBudget::new(), 10_000, Duration::from_millis(1), 1);
        assert!((2000..=2011).contains(&got), "{got}");
    }

    #[test]
    fn a_quiet_hour_saves_no_more_than_a_hundred() {
        let (account, start) = (Account::default(), Instant::now());
        assert!(account.draw(RetryBudget::new(), 1, start));
        let later = start + Duration::from_secs(3600);
        let got = (0..1000).filter(|_| account.draw(RetryBudget::new(), 1_000_000, later)).count();
        assert_eq!(got, 100);
    }

    #[test]
    fn nothing_is_granted_of_nothing() {
        let none = RetryBudget::new().share(f64::NAN).per_second(0);
        assert_eq!(granted(none, 100, Duration::from_secs(1), 1000), 0);
    }
}
