//! The options of an [`Outbound`](crate::Outbound) that are data, each with its default.
//!
//! # Live configuration
//! All layers of an `Outbound` share one [`Settings`] value, in an `arc_swap::ArcSwap` of the registry, and read it for
//! each request and each connect. Live configuration will be one store of a new value: requests that start after the
//! store follow the new settings, and requests in flight keep theirs (each call holds the retry settings that it
//! started with).
//!
//! Two values are copied when something is built, so a store does not reach the copy: the connect timeout (in a
//! `TcpConnector`, and in tonic's endpoint), and the idle timeout (in a client's pool). A layer with an option of its own has a copy of the settings of its group, and does not follow a
//! store either.
//!
//! Code that an application passes in (observers, a retry policy, a resolver) is not data: it stays with its layer.
//!
//! # Defaults
//! Each default is a constant in the file of its group, with its unit and reason. A zero duration disables a timeout.

mod connect;
mod deadline_headers;
mod in_flight;
mod keep_alive;
mod retry;
mod retry_budget;
mod timeouts;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::connect::{CONNECT, ConnectTimeouts};
pub use self::deadline_headers::DeadlineHeaders;
#[cfg(test)]
pub(crate) use self::in_flight::ACQUIRE_TIMEOUT;
pub(crate) use self::in_flight::InFlightSettings;
pub(crate) use self::keep_alive::KeepAlive;
pub(crate) use self::retry::{ReleaseBounds, RetrySettings};
pub use self::retry_budget::RetryBudget;
pub(crate) use self::timeouts::{AttemptTimeouts, Silence};
pub use self::timeouts::{Streaming, Timeouts};

/// Idle timeout: below the 60 to 75 s that are common for servers, so that this side closes first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The options of an `Outbound` that are data.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) idle_timeout: Duration,
    pub(crate) timeouts: Timeouts,
    pub(crate) connect: ConnectTimeouts,
    /// Shared with each call, which keeps the retry settings that it started with.
    pub(crate) retry: Arc<RetrySettings>,
    pub(crate) in_flight: InFlightSettings,
    pub(crate) deadline_headers: Option<DeadlineHeaders>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_timeout: IDLE_TIMEOUT,
            timeouts: Timeouts::new(),
            connect: ConnectTimeouts::new(),
            retry: Arc::default(),
            in_flight: InFlightSettings::new(),
            deadline_headers: None,
        }
    }
}
