//! The state machine of a connection: its uses, and how it ends. It emits nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::acceptances::Acceptances;
use super::close::{CloseHint, CloseReason, Closed, IoEnd};
use super::notifications::{Notification, Notifications};
use super::opened::OpenedStreams;
use super::silence::Silence;
use super::{ConnectionState, Use};
use crate::failure::Kind;
use crate::record::WeakAttempt;

/// hyper closes a connection in the poll that follows the drop of an unread body. A later close has another reason.
const DROP_GRACE: Duration = Duration::from_millis(100);

/// How it became known that a connection serves an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) enum UseEvidence {
    /// An HTTP/1 connection wrote the request: this is its next use.
    Turn,
    /// The client named the connection, which has accepted the request.
    Named,
    /// The client named the connection, which has not accepted the request.
    NamedUnsent,
    /// The own task of an HTTP/2 connection accepts the request.
    Accepted,
    /// The client named an HTTP/2 connection, or one that is not tracked. `first`: this may be its first use.
    Stream { owner: SetupOwner, first: bool },
}

/// Which attempt started the setup of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) enum SetupOwner {
    ThisAttempt,
    Another,
    Nobody,
}

/// What becomes of an attempt that begins to use a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) enum Association {
    /// The attempt counts as in flight until `end_use`.
    Counted,
    /// The attempt does not count: its stream does, or the connection is not tracked.
    Named,
    /// The connection is closed.
    Closed,
}

/// The uses of a connection, and how it ends.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    pub(super) uses: u64,
    pub(super) in_flight: u64,
    /// The start of the newest attempt that has used the connection.
    pub(super) newest_start: Option<Instant>,
    /// The last use number of an attempt on HTTP/2.
    pub(super) last_stream_use: u64,
    /// The requests that the connection's own task has accepted (HTTP/2).
    pub(super) acceptances: Acceptances,
    pub(super) opened: OpenedStreams,
    /// Of those in flight, the upgraded ones: they end with the IO.
    upgraded: u64,
    /// Of those in flight, the ended attempts whose uploads go on.
    uploads: u64,
    /// A stream was opened while no attempt went on: its request is not observed.
    pub(super) serves_others: bool,
    /// When the last of these attempts ended.
    uploads_since: Option<Instant>,
    idle_since: Option<Instant>,
    hint: Option<CloseHint>,
    /// An attempt ended early, and nothing has shown since that the connection survived that.
    killed: bool,
    /// The peer sent GOAWAY (HTTP/2).
    goaway: bool,
    /// This side sent a GOAWAY with an error of this kind (HTTP/2).
    pub(super) gave_up: Option<Kind>,
    /// The pool does not use the connection any more.
    evicted: bool,
    /// The last request was of no attempt, so that its response is not seen (HTTP/1).
    unobserved: bool,
    pub(super) silence: Silence,
    end: Option<IoEnd>,
    closed: bool,
    pub(super) notifications: Notifications,
}

impl Lifecycle {
    /// Records a probable close reason. The first one wins.
    pub(super) fn hint(&mut self, hint: CloseHint) {
        self.hint.get_or_insert(hint);
    }

    /// The peer accepts no further request.
    pub(super) fn goaway_received(&mut self) {
        self.goaway = true;
    }

    /// This side gives the connection up.
    pub(super) fn gave_up(&mut self, kind: Kind) {
        self.gave_up.get_or_insert(kind);
    }

    /// Retires the connection. `false` if it was draining or closed before.
    pub(super) fn retire(&mut self, hint: CloseHint) -> bool {
        if self.state() == ConnectionState::Draining || self.end.is_some() {
            return false;
        }
        self.hint(hint);
        self.notifications.push(Notification::Retired(hint.reason()));
        true
    }

    /// The pool does not use the connection any more. A transient hint that has not closed it so far is not the reason.
    pub(super) fn evict(&mut self) {
        if self.state() == ConnectionState::Idle && self.end.is_none() {
            self.clear_transient_hints();
            self.evicted = true;
            self.notifications.push(Notification::Retired(CloseReason::Evicted));
        }
    }

    /// Since when no attempt uses the connection; `None` if one does.
    pub(super) fn unused_since(&self, opened: Instant) -> Option<Instant> {
        (self.in_flight == 0).then(|| self.idle_since.unwrap_or(opened))
    }

    /// Since when no attempt that goes on uses the connection; `None` if one does. Uploads of ended attempts do not count.
    pub(super) fn abandoned_since(&self, opened: Instant) -> Option<Instant> {
        match self.uploads {
            0 => self.unused_since(opened),
            uploads => self.uploads_since.filter(|_| uploads == self.in_flight),
        }
    }

    /// The IO gives the unused connection up for this reason. `false` if an attempt uses it that goes on.
    pub(super) fn give_up(&mut self, hint: CloseHint) -> bool {
        if self.in_flight > self.uploads {
            return false;
        }
        self.clear_transient_hints();
        self.hint(hint);
        true
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn state(&self) -> ConnectionState {
        let last = matches!(
            self.hint,
            Some(
                CloseHint::ConnectionClose
                    | CloseHint::Http10
                    | CloseHint::IdleTimeout
                    | CloseHint::Reset
                    | CloseHint::Silent
            )
        );
        match self.in_flight {
            _ if self.goaway || self.gave_up.is_some() || self.evicted || last || self.closed => {
                ConnectionState::Draining
            }
            0 => ConnectionState::Idle,
            _ if self.uploads == self.in_flight => ConnectionState::Draining,
            _ => ConnectionState::Active,
        }
    }

    /// An attempt ended early on the connection.
    pub(super) fn mark_killed(&mut self) {
        self.killed = true;
    }

    /// An attempt ended without a complete response. The connection was killed if the IO has ended, or if `died`.
    pub(super) fn mark_killed_if_dead(&mut self, died: bool) {
        self.killed |= died || self.end.is_some();
    }

    /// A turn of a request that belongs to no attempt, so its end is not observed. `seen`: it was of one that has ended.
    pub(super) fn record_foreign_use(&mut self, seen: bool) {
        self.unobserved = !seen;
        self.clear_transient_hints();
        self.uses += 1;
    }

    /// A request was sent on a stream of its own.
    pub(super) fn begin_stream(&mut self, stream: u32, sequence: u64, at: Instant) -> Option<WeakAttempt> {
        self.uses += 1;
        self.activate();
        let attempt = self.acceptances.open(stream);
        if attempt.is_none() {
            self.opened.push(sequence, at);
        }
        attempt
    }

    /// An attempt begins to use the connection.
    pub(super) fn begin_use(
        &mut self,
        evidence: UseEvidence,
        opened: Instant,
        at: Instant,
    ) -> (Use, Association) {
        self.unobserved = false;
        let number = match evidence {
            UseEvidence::Turn => self.uses + 1,
            UseEvidence::Named | UseEvidence::Accepted => self.uses.max(1),
            UseEvidence::NamedUnsent => self.uses + 1,
            UseEvidence::Stream { owner: SetupOwner::ThisAttempt, first: true } => 1,
            UseEvidence::Stream { owner, first } => {
                // The first use is reserved for the attempt that started the setup.
                let taken = u64::from(owner == SetupOwner::Another || !first);
                self.last_stream_use = self.last_stream_use.max(taken) + 1;
                self.last_stream_use
            }
        };
        if let UseEvidence::Stream { .. } = evidence {
            let association = if self.closed { Association::Closed } else { Association::Named };
            return (Use { number, idle_time: None, ready_at: opened }, association);
        }
        let idle_since = self.idle_since.filter(|_| number > 1);
        let busy = self.in_flight > 0;
        let idle_time = idle_since.filter(|_| !busy).map(|since| at.saturating_duration_since(since));
        let ready_at = if busy { at } else { idle_since.unwrap_or(opened) };
        let usage = Use { number, idle_time, ready_at };
        if self.closed {
            return (usage, Association::Closed);
        }
        if evidence == UseEvidence::Turn {
            self.clear_transient_hints();
            self.uses += 1;
        }
        self.activate();
        (usage, Association::Counted)
    }

    /// An attempt or a stream has ended.
    pub(super) fn end_use(&mut self, opened: Instant, at: Instant, idle_timeout: impl FnOnce() -> Duration) {
        self.idle_since = Some(at);
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.in_flight > 0 {
            return;
        }
        if self.end.is_some() {
            self.close(true, opened, at, idle_timeout());
        } else {
            self.notifications.push_use(Notification::Idle);
        }
    }

    /// The attempt has ended, but its use of the connection goes on.
    pub(super) fn hold_upgraded(&mut self) {
        self.upgraded += 1;
    }

    /// The attempt has ended, but its upload goes on.
    pub(super) fn hold_upload(&mut self, at: Instant) {
        self.uploads += 1;
        self.uploads_since = Some(at);
    }

    /// The upload of an ended attempt is over.
    pub(super) fn end_upload(
        &mut self,
        opened: Instant,
        at: Instant,
        idle_timeout: impl FnOnce() -> Duration,
    ) {
        self.uploads = self.uploads.saturating_sub(1);
        self.end_use(opened, at, idle_timeout);
    }

    /// The IO has ended, and with it the open streams. The connection closes when no attempt uses it: until then a
    /// header or a failure may still give the reason.
    pub(super) fn end(
        &mut self,
        end: IoEnd,
        open_streams: u64,
        opened: Instant,
        at: Instant,
        idle_timeout: impl FnOnce() -> Duration,
    ) {
        let was_active = self.in_flight > 0;
        self.end = Some(end);
        self.killed |= open_streams > 0;
        self.in_flight = self.in_flight.saturating_sub(open_streams + self.upgraded);
        if self.in_flight == 0 {
            self.close(was_active, opened, at, idle_timeout());
        }
    }

    fn activate(&mut self) {
        self.in_flight += 1;
        if self.in_flight == 1 {
            self.notifications.push_use(Notification::Active);
        }
    }

    /// A new turn proves that the connection survived a dropped body, an attempt that ended early, silence and stray bytes.
    fn clear_transient_hints(&mut self) {
        self.killed = false;
        let transient = |hint: &mut CloseHint| {
            matches!(hint, CloseHint::BodyDropped | CloseHint::ProtocolError | CloseHint::Silent)
        };
        self.hint.take_if(transient);
    }

    fn close(&mut self, was_active: bool, opened: Instant, at: Instant, idle_timeout: Duration) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let end = self.end.unwrap_or_default();
        let used_before = self.idle_since.map(|since| at.saturating_duration_since(since));
        let idle_for = at.saturating_duration_since(self.idle_since.unwrap_or(opened));
        let lived_on = end.end_of_file || end.error.is_some() || used_before >= Some(DROP_GRACE);
        // A connection that lived on after a dropped body was not closed because of it.
        let hint = self.hint.filter(|hint| *hint != CloseHint::BodyDropped || !lived_on);
        let reason = match hint {
            Some(hint) => hint.reason(),
            None if self.gave_up == Some(Kind::Protocol) => CloseReason::ProtocolError,
            None if self.gave_up.is_some() => CloseReason::Error,
            None if self.goaway => CloseReason::GoAway,
            None if end.error.is_some() => CloseReason::Error,
            None if end.end_of_file => CloseReason::PeerClosed,
            None if self.evicted => CloseReason::Evicted,
            None if self.unobserved => CloseReason::Unknown,
            None if !was_active && idle_for >= idle_timeout => CloseReason::IdleTimeout,
            None => CloseReason::Dropped,
        };
        self.notifications.push(Notification::Closed(Closed {
            reason,
            was_active,
            killed: self.killed && used_before < Some(DROP_GRACE),
            error: self.gave_up.or(end.error),
            lifetime: at.saturating_duration_since(opened),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

    /// The reasons of a connection that is evicted twice after its only use, whose body was dropped.
    fn closed(begin: bool, end: IoEnd) -> Vec<CloseReason> {
        let (mut lifecycle, at) = (Lifecycle::default(), Instant::now());
        lifecycle.begin_use(UseEvidence::Turn, at, at);
        lifecycle.evict();
        lifecycle.hint(CloseHint::BodyDropped);
        lifecycle.end_use(at, at, || IDLE_TIMEOUT);
        lifecycle.evict();
        lifecycle.evict();
        assert_eq!(lifecycle.state(), ConnectionState::Draining);
        if begin {
            lifecycle.begin_use(UseEvidence::Turn, at, at);
            lifecycle.hint(CloseHint::ConnectionClose);
            lifecycle.end_use(at, at, || IDLE_TIMEOUT);
        }
        lifecycle.end(end, 0, at, at, || IDLE_TIMEOUT);
        let reason = |note| match note {
            Notification::Retired(reason) => Some(reason),
            Notification::Closed(closed) => Some(closed.reason()),
            Notification::Active
            | Notification::Late { .. }
            | Notification::Assigned(..)
            | Notification::Idle => None,
        };
        lifecycle.notifications.drain().filter_map(reason).collect()
    }

    #[test]
    fn evicted_close_reason_set_once_and_only_without_other() {
        use CloseReason::{ConnectionClose, Evicted, PeerClosed};

        let dead = IoEnd { end_of_file: true, error: None };
        assert_eq!(closed(false, IoEnd::default()), [Evicted, Evicted]);
        assert_eq!(closed(false, dead), [Evicted, PeerClosed]);
        assert_eq!(closed(true, dead), [Evicted, ConnectionClose]);
    }
}
