//! [`StallGuard`]: ends the IO of a connection that nobody uses and whose peer takes nothing.

use std::io;
use std::sync::{Arc, Weak};
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::record::Connection;
use crate::timer::Alarm;

/// How long an unused connection may fail to get rid of bytes, or to close. Longer than a peer's garbage collection.
const STALL: Duration = Duration::from_secs(10);

/// The same once the client is gone: nobody waits for what the connection has to say.
const ORPHANED: Duration = Duration::from_secs(1);

/// Held by the connector, which goes with its client.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientAlive(Arc<()>);

impl ClientAlive {
    pub(super) fn watch(&self) -> ClientWatch {
        ClientWatch(Arc::downgrade(&self.0))
    }
}

/// Tells a connection whether its client is gone.
#[derive(Clone, Debug)]
pub(super) struct ClientWatch(Weak<()>);

impl ClientWatch {
    fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Fails the writes of a connection that no attempt uses and that makes no progress with a write, a flush or a shutdown.
///
/// Nothing else ends such a connection: hyper flushes before it closes, and has no timeout for that.
#[derive(Debug)]
pub(super) struct StallGuard {
    client: ClientWatch,
    alarm: Alarm,
    /// Since when writes and flushes are pending.
    pending_since: Option<Instant>,
    /// Since when no attempt uses the streams that are open.
    ended_since: Option<Instant>,
}

impl StallGuard {
    pub(super) const fn new(client: ClientWatch) -> Self {
        Self { client, alarm: Alarm::Off, pending_since: None, ended_since: None }
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
        self.ended_since = match connection.io().has_ended_streams_only() {
            true => self.ended_since.or_else(|| Some(Instant::now())),
            false => None,
        };
        let (client, ended_since) = (&self.client, self.ended_since);
        // Nothing wakes the task when the client or the last attempt goes, so the alarm looks again and again.
        let left = |now: Instant| {
            let since = connection.io().abandoned_since().map(|since| since.max(pending_since));
            let since = since.or(ended_since);
            let passed = since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
            let limit = if client.is_gone() { ORPHANED } else { STALL };
            let left = limit.checked_sub(passed).filter(|left| !left.is_zero());
            left.map(|left| left.min(ORPHANED)).ok_or(())
        };
        if self.alarm.poll(connection.io().timers(), cx, ORPHANED, left).is_none() {
            return Ok(());
        }
        connection.io().give_up();
        Err(io::Error::new(io::ErrorKind::TimedOut, "the peer of an unused connection takes no bytes"))
    }
}
