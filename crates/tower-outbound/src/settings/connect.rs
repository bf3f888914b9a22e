//! The timeouts of a connect, and when a silent connection is retired.

use std::time::Duration;

/// Default of the connect timeout: dns, tcp, tunnel and tls together.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// Default of the timeout of a TLS handshake.
const TLS: Duration = Duration::ZERO;
/// Default number of attempts that a silent HTTP/2 connection lets time out before the connection is retired.
const SILENT_ATTEMPTS: u32 = 2;

/// What the connects of a stack may take, and what its connections; zero is off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectTimeouts {
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
    /// How many attempts an HTTP/2 connection may let time out in silence.
    pub(crate) silent_attempts: u32,
}

impl ConnectTimeouts {
    pub(crate) const fn new() -> Self {
        Self { connect: CONNECT, tls: TLS, silent_attempts: SILENT_ATTEMPTS }
    }
}
