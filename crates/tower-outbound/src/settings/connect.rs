//! The timeouts of a connect, and the retirement of silent connections.

use std::time::Duration;

/// Timeout of a whole connect: DNS, TCP, tunnel and TLS. Long enough for several addresses and a lost SYN, short enough
/// to fail before most callers give up.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// Timeout of the TLS handshake alone: disabled, since the connect timeout includes the handshake.
const TLS: Duration = Duration::ZERO;

/// Number of consecutive attempts that may time out on a silent HTTP/2 connection before the connection is retired. A
/// single timeout may be due to one slow response.
const SILENT_ATTEMPTS: u32 = 2;

/// The timeouts of a stack's connects and connections. Zero disables each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectTimeouts {
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
    /// Number of consecutive attempts that may time out on an HTTP/2 connection while nothing is read from it.
    pub(crate) silent_attempts: u32,
    /// Idle timeout of the connections; `None` is that of the stack.
    pub(crate) idle: Option<Duration>,
}

impl ConnectTimeouts {
    pub(crate) const fn new() -> Self {
        Self { connect: CONNECT, tls: TLS, silent_attempts: SILENT_ATTEMPTS, idle: None }
    }
}
