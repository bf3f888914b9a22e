//! The retry budget of an origin.

/// Share of the calls that may be retried: as in the retry budgets of Finagle and linkerd.
const SHARE: f64 = 0.2;

/// Retries per second that are allowed whatever the number of calls, so that an origin with few calls can retry at all:
/// as in Finagle and linkerd.
const PER_SECOND: u32 = 10;

/// Limits the retries of an origin to a share of its calls, with a minimum per second.
///
/// Unused budget accumulates: up to one second of `per_second`, and up to 100 retries of `share`.
///
/// # Example
/// ```
/// use tower_outbound::Outbound;
/// use tower_outbound::retry::RetryBudget;
///
/// let budget = RetryBudget::new().share(0.1).per_second(5);
/// let outbound = Outbound::builder().retry(|retry| retry.budget(budget)).build();
/// # let _ = outbound;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a budget does nothing unless given to a layer"]
pub struct RetryBudget {
    pub(crate) share: f64,
    pub(crate) per_second: u32,
}

impl RetryBudget {
    /// 20 % of the calls, and at least 10 retries per second.
    pub const fn new() -> Self {
        Self { share: SHARE, per_second: PER_SECOND }
    }

    /// The share of the calls that may be retried, from 0 to 1. Default: 0.2.
    ///
    /// Clamps other values, and takes NaN as 0.
    pub const fn share(mut self, share: f64) -> Self {
        self.share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self
    }

    /// The number of retries per second that are allowed whatever the number of calls. Default: 10. Zero allows none.
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
