//! When an origin that does not answer is reset.

use std::time::Duration;

/// Off: whether requests may be cut is for the application to say.
const AFTER: u32 = 0;

/// Time between two resets of an origin: a peer that is down is not connected to anew again and again.
const INTERVAL: Duration = Duration::from_secs(30);

/// The automatic reset of an origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecoverySettings {
    /// How many acquires in a row must have timed out while nothing was read. Zero: never.
    pub(crate) after: u32,
    /// At most one reset in this time.
    pub(crate) interval: Duration,
}

impl RecoverySettings {
    pub(crate) const fn new() -> Self {
        Self { after: AFTER, interval: INTERVAL }
    }
}
