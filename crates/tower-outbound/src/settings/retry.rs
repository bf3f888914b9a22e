//! The rules and bounds of retries.

use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use super::RetryBudget;

/// Default number of retries of a call.
const MAX_RETRIES: u32 = 2;
/// Default size of the replay buffer.
const REPLAY_UP_TO: usize = 64 * 1024;
/// Default bound of the wait that a peer may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Default bounds of reading a failed response.
const RELEASE: ReleaseBounds = ReleaseBounds { bytes: 64 * 1024, time: Duration::from_millis(50) };
/// Default bound of the first backoff.
const BACKOFF_BASE: Duration = Duration::from_millis(25);
/// Default bound of every backoff.
const BACKOFF_CAP: Duration = Duration::from_millis(250);

/// What is retried, how often, and after which wait.
#[derive(Clone, Debug)]
pub(crate) struct RetrySettings {
    pub(crate) connect_only: bool,
    pub(crate) idempotent: bool,
    pub(crate) statuses: Vec<StatusCode>,
    pub(crate) grpc: bool,
    pub(crate) max_retries: u32,
    pub(crate) replay_up_to: usize,
    pub(crate) longest_wait: Duration,
    pub(crate) release: ReleaseBounds,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) connect_budget: RetryBudget,
    pub(crate) budget: RetryBudget,
    pub(crate) attempt_header: Option<HeaderName>,
}

/// How much of a failed response may be read, and for how long.
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
            backoff_cap: BACKOFF_CAP,
            connect_budget: RetryBudget::new(),
            budget: RetryBudget::new(),
            attempt_header: None,
        }
    }
}
