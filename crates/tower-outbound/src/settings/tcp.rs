//! The options of sockets that are data.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Recommended delay between attempts (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Idle time before a keep-alive probe, and between probes: finds a peer that is gone within 45 s.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Unanswered probes after which the connection is dropped.
const KEEPALIVE_RETRIES: u32 = 3;

/// How long sent bytes may stay unacknowledged: several retransmissions.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// The local addresses of sockets, each for its family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalAddresses {
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
}

/// The options of sockets. Zero is the system's value, except of `attempt_delay` and `keepalive`, where it is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TcpSettings {
    pub(crate) attempt_delay: Duration,
    pub(crate) nodelay: bool,
    pub(crate) keepalive: Duration,
    pub(crate) keepalive_interval: Duration,
    pub(crate) keepalive_retries: u32,
    /// Linux.
    pub(crate) user_timeout: Duration,
    pub(crate) local: LocalAddresses,
    /// Linux.
    pub(crate) interface: Option<String>,
    pub(crate) reuse_address: bool,
    /// Bytes.
    pub(crate) send_buffer_size: usize,
    /// Bytes.
    pub(crate) recv_buffer_size: usize,
}

impl Default for TcpSettings {
    fn default() -> Self {
        Self {
            attempt_delay: ATTEMPT_DELAY,
            nodelay: true,
            keepalive: KEEPALIVE,
            keepalive_interval: KEEPALIVE,
            keepalive_retries: KEEPALIVE_RETRIES,
            user_timeout: USER_TIMEOUT,
            local: LocalAddresses::default(),
            interface: None,
            reuse_address: false,
            send_buffer_size: 0,
            recv_buffer_size: 0,
        }
    }
}
