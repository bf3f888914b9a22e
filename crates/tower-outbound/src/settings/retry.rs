//! The rules and bounds of retries.

use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use super::RetryBudget;

/// Maximum number of retries of a call: three attempts in all, as in the AWS SDKs' standard mode.
const MAX_RETRIES: u32 = 2;

/// Maximum size in bytes of a stored request body: most JSON bodies fit, and 1,000 calls store 64 MiB at most.
const REPLAY_UP_TO: usize = 64 * 1024;

/// The longest delay that a peer may ask for: beyond it, the caller decides.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Bounds of draining a failed response: most error bodies are smaller, and arrive together with their head.
const RELEASE: ReleaseBounds = ReleaseBounds { bytes: 64 * 1024, time: Duration::from_millis(50) };

/// Bound of the first backoff: Envoy's `base_interval`.
const BACKOFF_BASE: Duration = Duration::from_millis(25);

/// Bound of the first backoff after a failed connect. Two refused connects cost 24 ms at most, so that a retry above
/// multiplies little.
const CONNECT_BACKOFF: Duration = Duration::from_millis(8);

/// Bound of every backoff: Envoy's default, ten times the base.
const BACKOFF_CAP: Duration = Duration::from_millis(250);

/// Which requests are retried, how often, and after which delay.
#[derive(Clone, Debug)]
pub(crate) struct RetrySettings {
    pub(crate) connect_only: bool,
    pub(crate) idempotent: bool,
    pub(crate) statuses: Vec<StatusCode>,
    pub(crate) grpc: bool,
    pub(crate) max_retries: u32,
    /// Bytes.
    pub(crate) replay_up_to: usize,
    pub(crate) longest_wait: Duration,
    pub(crate) release: ReleaseBounds,
    pub(crate) backoff_base: Duration,
    pub(crate) connect_backoff: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) connect_budget: RetryBudget,
    pub(crate) budget: RetryBudget,
    pub(crate) attempt_header: Option<HeaderName>,
    /// The keys that the code has set.
    #[cfg(feature = "settings")]
    pub(crate) code: Vec<&'static str>,
}

impl RetrySettings {
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
}

/// Bounds of draining a failed response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReleaseBounds {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            connect_only: false,
            idempotent: false,
            statuses: Vec::new(),
            grpc: false,
            max_retries: MAX_RETRIES,
            replay_up_to: REPLAY_UP_TO,
            longest_wait: LONGEST_WAIT,
            release: RELEASE,
            backoff_base: BACKOFF_BASE,
            connect_backoff: CONNECT_BACKOFF,
            backoff_cap: BACKOFF_CAP,
            connect_budget: RetryBudget::new(),
            budget: RetryBudget::new(),
            attempt_header: None,
            #[cfg(feature = "settings")]
            code: Vec::new(),
        }
    }
}
