use std::time::Duration;

use crate::settings::{PoolSettings, WhenFull};

/// The limits in force. `usize::MAX` and `None` are no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) struct Limits {
    /// Connections of one origin, connects included.
    pub(in crate::pool) per_origin: usize,
    /// Connections of all origins, connects included.
    pub(in crate::pool) total: usize,
    pub(in crate::pool) idle_per_origin: usize,
    pub(in crate::pool) idle_total: usize,
    /// Requests of one origin that wait without a connect of their own.
    pub(in crate::pool) waiting: usize,
    /// Streams of one HTTP/2 connection.
    pub(in crate::pool) streams: usize,
    /// Connections above the limits are opened and not kept.
    pub(in crate::pool) overflow: bool,
    pub(in crate::pool) idle_timeout: Option<Duration>,
    pub(in crate::pool) uses: u64,
    /// How long a connect is held back while a connection may become free. Zero: not at all.
    pub(in crate::pool) connect_after: Duration,
}

impl Limits {
    /// No limit at all.
    #[cfg(test)]
    pub(in crate::pool) const NONE: Self = Self {
        per_origin: usize::MAX,
        total: usize::MAX,
        idle_per_origin: usize::MAX,
        idle_total: usize::MAX,
        waiting: usize::MAX,
        streams: usize::MAX,
        overflow: false,
        idle_timeout: None,
        uses: u64::MAX,
        connect_after: Duration::ZERO,
    };
}

/// A number of which 0 is no limit.
fn or_none(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

impl From<&PoolSettings> for Limits {
    fn from(settings: &PoolSettings) -> Self {
        Self {
            per_origin: or_none(settings.max_connections_per_origin),
            total: or_none(settings.max_connections),
            idle_per_origin: settings.max_idle_per_origin,
            idle_total: or_none(settings.max_idle),
            waiting: settings.max_waiting,
            streams: or_none(settings.max_streams),
            overflow: settings.when_full == WhenFull::Overflow,
            idle_timeout: Some(settings.idle_timeout).filter(|timeout| !timeout.is_zero()),
            uses: if settings.max_uses == 0 { u64::MAX } else { settings.max_uses },
            connect_after: settings.connect_after,
        }
    }
}
