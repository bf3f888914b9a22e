//! Every option of an [`Outbound`](crate::Outbound) that is data, with its default: one shared value that the layers read
//! for each request and each connect.
//!
//! Code that an application hands over (observers, a retry policy, a resolver) stays with its layer.

mod connect;
mod in_flight;
mod retry;
mod retry_budget;
mod timeouts;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::connect::{CONNECT, ConnectTimeouts};
#[cfg(test)]
pub(crate) use self::in_flight::ACQUIRE_TIMEOUT;
pub(crate) use self::in_flight::InFlightSettings;
pub(crate) use self::retry::{ReleaseBounds, RetrySettings};
pub use self::retry_budget::RetryBudget;
pub use self::timeouts::Timeouts;

/// Default of the idle timeout: below the common 60 to 75 s of servers, so that this side closes first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Every option of an `Outbound` that is data.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) idle_timeout: Duration,
    pub(crate) timeouts: Timeouts,
    pub(crate) connect: ConnectTimeouts,
    /// Shared, since each call keeps the retry settings that it started with.
    pub(crate) retry: Arc<RetrySettings>,
    pub(crate) in_flight: InFlightSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_timeout: IDLE_TIMEOUT,
            timeouts: Timeouts::new(),
            connect: ConnectTimeouts::new(),
            retry: Arc::default(),
            in_flight: InFlightSettings::new(),
        }
    }
}
