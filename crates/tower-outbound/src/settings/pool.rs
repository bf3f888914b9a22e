//! The options of a pool that are data.

use std::time::Duration;

use super::KeepAlive;

/// Connections of one origin.
const PER_ORIGIN: usize = 50;

/// Requests of one origin that wait: as the queue of the in-flight limit.
const WAITING: usize = 1024;

/// Time that a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(30);

/// How much of a dropped body is read, and for how long: as after a failed attempt.
const DRAIN_BYTES: u64 = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_millis(50);

/// Silence after which a reset may cut a request: longer than most answers take.
const SILENT: Duration = Duration::from_secs(5);

/// What happens to a request when the connections of its origin are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The request waits. Requests of an origin are served in the order of their arrival.
    #[default]
    Wait,
    /// A connection above the limit is opened for the request, and not kept.
    Overflow,
}

/// The limits of a pool. Zero is no limit, except of `max_idle_per_origin` and `max_waiting`, where it is none at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSettings {
    pub(crate) max_connections_per_origin: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_idle_per_origin: usize,
    pub(crate) max_idle: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) acquire_timeout: Duration,
    pub(crate) connect_after: Duration,
    pub(crate) max_waiting: usize,
    pub(crate) max_streams: usize,
    pub(crate) max_age: Duration,
    pub(crate) max_uses: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) drain_bytes: u64,
    pub(crate) drain_time: Duration,
    pub(crate) keep_alive: KeepAlive,
    /// How long an origin is silent before a reset cuts its requests, where others wait.
    pub(crate) silent_after: Duration,
}

impl PoolSettings {
    pub(crate) const fn new() -> Self {
        Self {
            max_connections_per_origin: PER_ORIGIN,
            max_connections: 0,
            max_idle_per_origin: PER_ORIGIN,
            max_idle: 0,
            idle_timeout: super::IDLE_TIMEOUT,
            acquire_timeout: ACQUIRE,
            connect_after: Duration::ZERO,
            max_waiting: WAITING,
            max_streams: 0,
            max_age: Duration::ZERO,
            max_uses: 0,
            when_full: WhenFull::Wait,
            drain_bytes: DRAIN_BYTES,
            drain_time: DRAIN_TIME,
            keep_alive: KeepAlive::new(),
            silent_after: SILENT,
        }
    }
}
