//! [`StallGuard`]: ends the IO of a connection that nobody uses and whose peer takes nothing.

use std::io;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::record::Connection;
use crate::timer::Timeout;

/// How long an unused connection may fail to get rid of bytes, or to close. Longer than a peer's garbage collection.
const STALL: Duration = Duration::from_secs(10);

/// Fails the writes of a connection that no attempt uses and that makes no progress with a write, a flush or a shutdown.
///
/// Nothing else ends such a connection: hyper flushes before it closes, and has no timeout for that.
#[derive(Debug)]
pub(super) struct StallGuard {
    timeout: Timeout,
    /// Since when writes and flushes are pending.
    pending_since: Option<Instant>,
}

impl StallGuard {
    pub(super) const fn new() -> Self {
        Self { timeout: Timeout::new(STALL), pending_since: None }
    }

    /// A write, a flush or a shutdown has made progress.
    pub(super) const fn progressed(&mut self) {
        self.pending_since = None;
    }

    /// A write, a flush or a shutdown is pending.
    ///
    /// # Errors
    /// Nobody has used the connection, and nothing has progressed, for too long.
    pub(super) fn pending(&mut self, connection: &Connection, cx: &mut Context<'_>) -> io::Result<()> {
        let pending_since = *self.pending_since.get_or_insert_with(Instant::now);
        let since = || connection.io().abandoned_since().map(|since| since.max(pending_since));
        if !self.timeout.poll(connection.io().timers(), cx, since) {
            return Ok(());
        }
        connection.io().give_up();
        Err(io::Error::new(io::ErrorKind::TimedOut, "the peer of an unused connection takes no bytes"))
    }
}
