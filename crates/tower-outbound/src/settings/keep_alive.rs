//! PINGs of HTTP/2 connections.

use std::time::Duration;

/// PING after this long without a received frame. Below the idle timeouts of most firewalls and NAT devices.
const INTERVAL: Duration = Duration::from_secs(10);

/// Time for the peer to answer a PING. Longer than a lost packet and its retransmissions usually take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How an HTTP/2 connection finds out that its peer is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// Also while no stream is open.
    pub(crate) while_idle: bool,
}

impl KeepAlive {
    pub(crate) const fn new() -> Self {
        Self { interval: INTERVAL, timeout: TIMEOUT, while_idle: false }
    }

    /// The interval; `None` if PINGs are disabled.
    pub(crate) fn interval(self) -> Option<Duration> {
        Some(self.interval).filter(|interval| !interval.is_zero() && !self.timeout.is_zero())
    }
}
