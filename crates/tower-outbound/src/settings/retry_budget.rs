//! How many retries an origin gets.

/// How many of the calls may be sent again unless set.
const SHARE: f64 = 0.2;
/// How many a second may be sent again however few the calls are, unless set.
const PER_SECOND: u32 = 10;

/// How many retries an origin gets: a share of its calls, and at least so many a second.
///
/// What is not used is saved for bursts: of the second figure one second's, of the share up to 100 retries.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a budget does nothing unless given to a layer"]
pub struct RetryBudget {
    pub(crate) share: f64,
    pub(crate) per_second: u32,
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
