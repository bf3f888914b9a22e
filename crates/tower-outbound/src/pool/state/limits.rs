use std::time::Duration;

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
    /// Connections are closed at a certain age.
    pub(in crate::pool) ages: bool,
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
        ages: false,
        connect_after: Duration::ZERO,
    };
}
