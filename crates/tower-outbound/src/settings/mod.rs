//! [`Settings`]: the options of an [`Outbound`](crate::Outbound) and of its pool that are data, from code, the environment, a
//! file and defaults.
//!
//! ```
//! use std::time::Duration;
//! use tower_outbound::settings::{Settings, Sources};
//!
//! let code = Settings::new().connect_timeout(Duration::from_secs(2));
//! let settings = Sources::new().file("/etc/shop/outbound.toml").code(code).load();
//! println!("{settings}");
//! ```
//!
//! # Weight
//! Code wins over the environment, which wins over the file, which wins over the default.
//! [`Sources::file_over_environment`] turns environment and file round.
//!
//! # The file
//! TOML. A key is a table and a name; durations and sizes are written as people write them:
//!
//! ```toml
//! [timeouts]
//! first_byte = "5s"
//!
//! [pool]
//! max_connections_per_origin = 20
//!
//! [retry]
//! status = [429, 503]
//! replay_up_to = "256KiB"
//! ```
//!
//! # Broken values
//! A value that is not valid never stops the service: a warning names the key, the value, its source and what is used
//! instead, and an unknown key names the nearest known one. At start the next source counts that has a valid value; on a
//! reload the value in force. [`Settings::warnings`] has them too. Zero is never broken where it has a meaning. A variable
//! that is empty counts as unset.
//!
//! # Keys
//! Every value may be zero, which the table explains; the minimum is that of any other value. Numbers and sizes go up to
//! 2<sup>32</sup> - 1, durations to 365 days.
//!
#![doc = include_str!("keys/table.md")]
//!
//! # Libraries
//! figment holds the values of file and environment, because it knows where each came from; the `config` crate knows the
//! file only, and asks for a newer Rust than this crate.

// For maintainers. All layers of an `Outbound` share one `StackSettings` value, in an `arc_swap::ArcSwap` of the registry, and
// read it for each request and each connect. A change is one store of a new value: requests that start after the store
// follow it, and requests in flight keep theirs (each call holds the retry settings that it started with).
//
// Two values are copied when something is built, so a store does not reach the copy: the connect timeout (in a
// `TcpConnector`, and in tonic's endpoint), and the idle timeout (in the pool of another crate). A layer with an option of
// its own has a copy of the settings of its group, and does not follow a store either.
//
// Code that an application passes in (observers, a retry policy, a resolver) is not data: it stays with its layer. Each
// default is a constant in the file of its group, with its unit and reason.

mod connect;
mod deadline_headers;
mod in_flight;
mod keep_alive;
#[cfg(feature = "settings")]
mod keys;
mod pool;
mod recovery;
#[cfg(feature = "settings")]
mod resolved;
mod retry;
mod retry_budget;
#[cfg(feature = "settings")]
mod sources;
mod tcp;
mod telemetry;
mod timeouts;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::connect::{CONNECT, ConnectTimeouts};
#[doc(hidden)] // in `deadline`
pub use self::deadline_headers::DeadlineHeaders;
#[cfg(test)]
pub(crate) use self::in_flight::ACQUIRE_TIMEOUT;
pub(crate) use self::in_flight::InFlightSettings;
pub(crate) use self::keep_alive::KeepAlive;
pub(crate) use self::pool::PoolSettings;
#[doc(hidden)] // `pool::WhenFull`
pub use self::pool::WhenFull;
pub(crate) use self::recovery::RecoverySettings;
#[cfg(feature = "settings")]
pub use self::resolved::{Entry, Settings};
pub(crate) use self::retry::{ReleaseBounds, RetrySettings};
#[doc(hidden)] // `retry::RetryBudget`
pub use self::retry_budget::RetryBudget;
#[cfg(feature = "settings")]
pub use self::sources::{FileError, Source, Sources, Warning};
#[cfg(feature = "settings")]
pub(crate) use self::tcp::LocalAddresses;
pub(crate) use self::tcp::TcpSettings;
pub(crate) use self::telemetry::TelemetrySettings;
#[doc(hidden)] // in `event`
pub use self::telemetry::{Detail, MetricDetail, PhaseDetail};
pub(crate) use self::timeouts::{AttemptTimeouts, Silence};
#[doc(hidden)] // in `timeouts`
pub use self::timeouts::{Streaming, Timeouts};

/// Idle timeout: below the 60 to 75 s that are common for servers, so that this side closes first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The options of an `Outbound` that are data.
#[derive(Clone, Debug)]
pub(crate) struct StackSettings {
    pub(crate) idle_timeout: Duration,
    pub(crate) timeouts: Timeouts,
    pub(crate) connect: ConnectTimeouts,
    /// Shared with each call, which keeps the retry settings that it started with.
    pub(crate) retry: Arc<RetrySettings>,
    pub(crate) in_flight: InFlightSettings,
    pub(crate) deadline_headers: Option<DeadlineHeaders>,
    pub(crate) pool: PoolSettings,
    pub(crate) recovery: RecoverySettings,
    /// Shared with the connectors.
    pub(crate) tcp: Arc<TcpSettings>,
    pub(crate) telemetry: TelemetrySettings,
    /// The keys that the code has set.
    #[cfg(feature = "settings")]
    pub(crate) code: Vec<&'static str>,
}

impl StackSettings {
    /// The code has set these keys: they hold over what other sources have.
    #[cfg_attr(
        not(feature = "settings"),
        expect(clippy::unused_self, reason = "nothing is to be remembered")
    )]
    pub(crate) fn by_code(&mut self, keys: &[&'static str]) {
        #[cfg(feature = "settings")]
        self.code.extend(keys);
        #[cfg(not(feature = "settings"))]
        let _ = keys;
    }

    /// The settings of a pool of the stack.
    pub(crate) fn of_pool(&self) -> PoolSettings {
        PoolSettings { idle_timeout: self.idle_timeout, ..self.pool }
    }
}

impl Default for StackSettings {
    fn default() -> Self {
        Self {
            idle_timeout: IDLE_TIMEOUT,
            timeouts: Timeouts::new(),
            connect: ConnectTimeouts::new(),
            retry: Arc::default(),
            in_flight: InFlightSettings::new(),
            deadline_headers: None,
            pool: PoolSettings::new(),
            recovery: RecoverySettings::new(),
            tcp: Arc::default(),
            telemetry: TelemetrySettings::new(),
            #[cfg(feature = "settings")]
            code: Vec::new(),
        }
    }
}
