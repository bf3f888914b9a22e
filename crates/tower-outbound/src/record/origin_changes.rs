//! What has lately changed among the connections of an origin.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Protocol;

/// The ends of connections and the setups of an origin.
#[derive(Debug, Default)]
pub(super) struct OriginChanges(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    /// Setups that run now.
    setups: u64,
    setup_ended: Option<Instant>,
    connection_ended: Option<Instant>,
    untracked: Untracked,
}

/// The attempts whose connections are not tracked.
#[derive(Debug, Default)]
struct Untracked {
    /// Attempts that a connection has taken and that go on.
    in_flight: u64,
    /// When an attempt was last taken, or ended.
    changed: Option<Instant>,
    /// The newest start of an attempt that was taken.
    newest_start: Option<Instant>,
    /// Connections have spoken HTTP/1, and HTTP/2.
    http1: bool,
    http2: bool,
}

/// What the attempts on connections that are not tracked show, while no setup runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct UntrackedQuiet {
    /// When the last setup ended.
    pub(super) setup_ended: Instant,
    /// When an attempt was last taken, or ended.
    pub(super) taken_or_ended: Option<Instant>,
    /// The newest start of an attempt that was taken.
    pub(super) newest_start: Option<Instant>,
    /// A connection may be HTTP/2 and have no stream for a further request.
    pub(super) waits_for_stream_possible: bool,
}

impl OriginChanges {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn setup_started(&self) {
        self.changes().setups += 1;
    }

    pub(super) fn setup_ended(&self, at: Instant) {
        let mut changes = self.changes();
        changes.setups = changes.setups.saturating_sub(1);
        changes.setup_ended = Some(at);
    }

    /// Whether a setup runs.
    pub(super) fn sets_up(&self) -> bool {
        self.changes().setups > 0
    }

    pub(super) fn connection_ended(&self, at: Instant) {
        self.changes().connection_ended = Some(at);
    }

    /// When a tracked connection last ended, and since when nothing has changed; `None` while a setup runs, and before
    /// any end.
    pub(super) fn last_end(&self) -> Option<(Instant, Instant)> {
        let changes = self.changes();
        let ended = changes.connection_ended.filter(|_| changes.setups == 0)?;
        Some((ended, changes.setup_ended.map_or(ended, |setup| setup.max(ended))))
    }

    /// A connection that is not tracked has taken an attempt with this start.
    #[cfg(feature = "reqwest")]
    pub(super) fn untracked_taken(&self, start: Instant, at: Instant) {
        let untracked = &mut self.changes().untracked;
        untracked.in_flight += 1;
        untracked.changed = Some(at);
        untracked.newest_start = untracked.newest_start.max(Some(start));
    }

    /// Such an attempt has ended.
    pub(super) fn untracked_ended(&self, at: Instant) {
        let untracked = &mut self.changes().untracked;
        untracked.in_flight = untracked.in_flight.saturating_sub(1);
        untracked.changed = Some(at);
    }

    /// A connection that is not tracked speaks this protocol.
    pub(super) fn untracked_speaks(&self, protocol: Protocol) {
        let untracked = &mut self.changes().untracked;
        match protocol {
            Protocol::Http1 => untracked.http1 = true,
            Protocol::Http2 => untracked.http2 = true,
        }
    }

    /// `None` while a setup runs, and before any.
    pub(super) fn untracked_quiet(&self) -> Option<UntrackedQuiet> {
        let Changes { setups, setup_ended, untracked, .. } = &*self.changes();
        Some(UntrackedQuiet {
            setup_ended: setup_ended.filter(|_| *setups == 0)?,
            taken_or_ended: untracked.changed,
            newest_start: untracked.newest_start,
            waits_for_stream_possible: untracked.in_flight > 0 && (untracked.http2 || !untracked.http1),
        })
    }
}
