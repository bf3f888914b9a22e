//! A tunnel through an HTTP proxy.
//!
//! Differences from hyper-util's `Tunnel`: any 2xx answer opens the tunnel (RFC 9110, section 9.3.6), interim answers are
//! skipped, what the peer sends behind the answer is not lost, and the error has the status, so that a refusal that
//! will not change (403) is not retried. The phase `tunnel` is timed.

mod connector;
mod handshake;
mod head;

pub use self::connector::{TunnelConnecting, TunnelConnector, TunnelHandshake};
