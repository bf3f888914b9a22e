//! How the attempts of a connection begin and end their use of it.

use std::sync::atomic::Ordering;
use std::task::Waker;

use http::Method;
use tokio::time::Instant;

use super::lifecycle::{Association, Lifecycle, SetupOwner, UseEvidence};
use super::notifications::Notification;
use super::{Connection, Use};
use crate::record::{Attempt, WeakAttempt, association_reported};

impl Connection {
    /// An attempt begins to use the connection.
    ///
    /// Unless the connection is closed, [`report_association`](Self::report_association) follows when the attempt has
    /// stored its use. A counted use is ended by [`end_use`](Self::end_use).
    pub(in crate::record) fn begin_use(
        &self,
        attempt: &Attempt,
        at: Instant,
        evidence: UseEvidence,
    ) -> (Use, Association) {
        let mut lifecycle = self.lifecycle_of_use();
        lifecycle.newest_start = lifecycle.newest_start.max(Some(attempt.start_time()));
        if !self.is_tracked() {
            // No IO counts the uses.
            lifecycle.uses += 1;
            let paid = self.setup().started_by() == Some(attempt.id());
            let owner = match self.is_first_use_reserved() {
                true if paid => SetupOwner::ThisAttempt,
                true => SetupOwner::Another,
                false => SetupOwner::Nobody,
            };
            return lifecycle.begin_use(UseEvidence::Stream { owner, first: true }, self.0.opened, at);
        }
        let evidence = if self.is_opaque() {
            // Neither turns nor frames are visible: the client's naming is the use.
            let named = matches!(evidence, UseEvidence::Named | UseEvidence::Accepted);
            if named { UseEvidence::Turn } else { evidence }
        } else if self.is_http2() {
            if let Some(begun) = self.begin_accepted(&mut lifecycle, attempt, evidence) {
                return begun;
            }
            let owner = match self.setup().started_by() {
                Some(id) if id == attempt.id() => SetupOwner::ThisAttempt,
                Some(_) if !self.setup().is_abandoned() => SetupOwner::Another,
                _ => SetupOwner::Nobody,
            };
            UseEvidence::Stream { owner, first: self.may_be_first_stream(attempt) }
        } else {
            evidence
        };
        lifecycle.begin_use(evidence, self.0.opened, at)
    }

    /// The connection's own task accepts the request: its stream is known, and so is the number of its use.
    fn begin_accepted(
        &self,
        lifecycle: &mut Lifecycle,
        attempt: &Attempt,
        evidence: UseEvidence,
    ) -> Option<(Use, Association)> {
        if evidence != UseEvidence::Accepted {
            return None;
        }
        if attempt.method() == Method::CONNECT {
            // hyper may refuse the request without using up a stream.
            lifecycle.acceptances.lose_count();
        }
        let number = lifecycle.acceptances.accept(WeakAttempt::new(attempt))?;
        lifecycle.last_stream_use = lifecycle.last_stream_use.max(number);
        attempt.0.stream.wait();
        let association = if lifecycle.is_closed() { Association::Closed } else { Association::Named };
        Some((Use { number, idle_time: None, ready_at: self.0.opened }, association))
    }

    /// The connection's own task accepts the request of an attempt that has ended: the request has a number all the same.
    pub(in crate::record) fn accept_ended(&self, attempt: &Attempt) {
        if attempt.0.stream.wait_ended() {
            let _ = self.lifecycle().acceptances.accept(WeakAttempt::new(attempt));
        }
    }

    /// Whether no stream was opened before the client accepted the request, if it did.
    fn may_be_first_stream(&self, attempt: &Attempt) -> bool {
        let first = self.0.first_stream_opened.load(Ordering::Acquire);
        let accepted = attempt.0.write.accepted();
        first == 0 || accepted != 0 && first > accepted
    }

    /// Emits that the connection serves the attempt, unless the connection has closed since: nothing comes after its end.
    pub(in crate::record) fn report_association(&self, attempt: &Attempt, usage: Use) {
        // A connection that is not tracked has no `ConnectionClosed`, so no other event either.
        if !self.is_tracked() || !self.0.registry.observers().are_listening() {
            return association_reported(attempt);
        }
        let mut lifecycle = self.lifecycle();
        if lifecycle.is_closed() {
            drop(lifecycle);
            return association_reported(attempt);
        }
        lifecycle.notifications.push(Notification::Assigned(attempt.clone(), usage));
        self.flush_notifications(lifecycle);
    }

    /// An attempt on the connection has ended. An upgraded connection goes on without the attempt.
    pub(in crate::record) fn end_use(&self, at: Instant) {
        let mut lifecycle = self.lifecycle_of_use();
        if self.is_upgraded() {
            lifecycle.hold_upgraded();
        } else {
            lifecycle.end_use(self.0.opened, at, || self.0.registry.settings().idle_timeout);
        }
        let waiting = lifecycle.silence.until_end.take();
        let reader = self.reader_of_late_end(&lifecycle, at);
        self.flush_notifications(lifecycle);
        waiting.into_iter().chain(reader).for_each(Waker::wake);
    }

    /// The task that reads, if the connection is retired, or its last use has
    /// [ended late](super::ConnectionIo::late_deadline).
    fn reader_of_late_end(&self, lifecycle: &Lifecycle, at: Instant) -> Option<Waker> {
        let concerned = lifecycle.in_flight == 0 && (self.ends_late(at) || self.is_retired());
        if concerned { lifecycle.silence.reader() } else { None }
    }

    /// The attempt has ended, and the upload of its request goes on. `false` if the connection was upgraded.
    pub(in crate::record) fn hold_upload(&self, at: Instant) -> bool {
        if self.is_upgraded() {
            return false;
        }
        let mut lifecycle = self.lifecycle();
        lifecycle.hold_upload(at);
        let waiting = lifecycle.silence.until_end.take();
        drop(lifecycle);
        if let Some(task) = waiting {
            task.wake();
        }
        true
    }

    /// The upload that the connection has waited for is over.
    pub(in crate::record) fn end_upload(&self, at: Instant) {
        let mut lifecycle = self.lifecycle();
        lifecycle.end_upload(self.0.opened, at, || self.0.registry.settings().idle_timeout);
        self.flush_notifications(lifecycle);
    }

    /// An attempt ended early on the connection, which will close.
    pub(in crate::record) fn mark_killed(&self) {
        self.lifecycle().mark_killed();
    }

    /// An attempt has no complete response, on a connection whose streams are not visible. `died`: the failure is that of
    /// a connection.
    pub(in crate::record) fn mark_killed_if_dead(&self, died: bool) {
        self.lifecycle().mark_killed_if_dead(died);
    }

    /// Whether an attempt that started at this time or later has used the connection.
    pub(in crate::record) fn served_since(&self, start: Instant) -> bool {
        self.lifecycle().newest_start >= Some(start)
    }

    /// The pool does not use the connection any more.
    pub(in crate::record) fn evict(&self) {
        let mut lifecycle = self.lifecycle();
        lifecycle.evict();
        self.flush_notifications(lifecycle);
    }
}
