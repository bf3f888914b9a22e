//! How an attempt ends.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use tokio::time::Instant;

use super::Attempt;
use super::other_runtime::warn_of_other_runtime;
use super::phases::{current_phase, emit_phase, emit_phases, witness_sending};
use crate::event::{Event, Outcome, StackWarning};
use crate::failure::{Kind, Phase};
use crate::record::{CloseHint, Connection, PoolHandle, Protocol, Use};

/// The end of an attempt, until it is emitted.
pub(super) struct AttemptEnd {
    outcome: Outcome,
    phase: Phase,
    /// When the phase began.
    start: Instant,
    at: Instant,
    pool_handle: Option<Arc<dyn PoolHandle>>,
    /// Another thread emits it.
    late: bool,
}

/// Ends the attempt. Later calls do nothing.
pub(super) fn finish(attempt: &Attempt, outcome: &Outcome) {
    let inner = &*attempt.0;
    if inner.ended.swap(true, Ordering::AcqRel) {
        return;
    }
    attempt.origin().attempt_ended();
    let at = Instant::now();
    witness_sending(attempt, at);
    let (phase, start) = current_phase(attempt);
    inner.marks.end.set(inner.start, at);
    warn_of_other_runtime(attempt, outcome, at);

    let mut serving = inner.serving();
    serving.finished = true;
    let (pool_handle, late) = (serving.pool_handle.take(), serving.unreported > 0);
    let end = AttemptEnd { outcome: outcome.clone(), phase, start, at, pool_handle, late };
    let served = serving.connection.as_ref().map(Connection::id);
    serving
        .setups
        .iter()
        .filter(|setup| served.is_none() || setup.connection_id() != served)
        .for_each(|setup| setup.abandon(attempt.status().is_some()));
    let uploader = serving.uploader.take();
    let http2 = serving.connection.as_ref().is_some_and(Connection::is_http2);
    if std::mem::take(&mut serving.taken_untracked) {
        attempt.origin().changes().untracked_ended(at);
    }
    inner.call.attempt_ends(outcome);
    if late {
        inner.call.attempt_end_waits();
        serving.end = Some(end);
        drop(serving);
    } else {
        drop(serving);
        end.emit(attempt);
    }
    // The rest of the body has a grace, which its task waits for. On HTTP/2 a task may have all of the body and not have
    // sent it.
    if let Some(uploader) = uploader.filter(|_| http2 || is_uploading(attempt)) {
        uploader.wake();
    }
}

fn is_uploading(attempt: &Attempt) -> bool {
    let inner = &*attempt.0;
    !inner.marks.body_sent.is_set() && !inner.body_dropped.load(Ordering::Acquire)
}

/// Keeps the use of an HTTP/1 connection whose upload goes on: the connection serves no other request before its end.
/// `false` if there is nothing to keep.
fn hold_upload(attempt: &Attempt, connection: &Connection, at: Instant) -> bool {
    if connection.protocol() != Some(Protocol::Http1) || !is_uploading(attempt) || !connection.hold_upload(at)
    {
        return false;
    }
    attempt.0.serving().uploading = Some(connection.clone());
    // Against `end_upload` of the body.
    fence(Ordering::SeqCst);
    if !is_uploading(attempt) {
        release_upload(attempt);
    }
    true
}

/// The upload of an ended attempt is over.
pub(super) fn release_upload(attempt: &Attempt) {
    let held = attempt.0.serving().uploading.take();
    if let Some(connection) = held {
        connection.end_upload(Instant::now());
    }
}

impl AttemptEnd {
    pub(super) fn emit(&self, attempt: &Attempt) {
        let inner = &*attempt.0;
        let Self { outcome, phase, start, at, pool_handle, late } = self;
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Ok | Outcome::Cancelled { .. } => None,
        };
        if *phase != Phase::Body {
            emit_phases(attempt, *phase);
        }
        emit_phase(attempt, *phase, *start, *at, failure);

        let serving = inner.serving();
        let (connection, usage) = (serving.connection.clone(), serving.usage.clone());
        let counted = serving.counted;
        drop(serving);
        // Before the head, the client may not have picked a connection.
        if let Some(connection) = connection.as_ref().filter(|_| inner.marks.head.is_set()) {
            connection.keep_pool_handle(pool_handle.as_ref());
        }
        if let Some((connection, usage)) = connection.as_ref().zip(usage).filter(|_| counted) {
            self.end_use_of(connection, &usage, inner.released.load(Ordering::Acquire));
        }
        inner.registry.emit(&Event::AttemptEnded { attempt, outcome });
        if inner.sole {
            inner.registry.emit(&Event::CallEnded { call: &inner.call, outcome });
        } else {
            if *late {
                inner.call.late_attempt_ended(&inner.registry);
            }
            inner.call.attempt_ended(&inner.registry, outcome);
        }
        match connection {
            Some(connection) if counted && !hold_upload(attempt, &connection, *at) => connection.end_use(*at),
            None if matches!(outcome, Outcome::Ok) && !inner.registry.has_seen_connection() => {
                inner.registry.warn(StackWarning::Untracked);
            }
            _ => {}
        }
    }

    /// What the end of the attempt means for its connection. `released`: the retry layer dropped the rest of the response.
    fn end_use_of(&self, connection: &Connection, usage: &Use, released: bool) {
        let failure = match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Ok | Outcome::Cancelled { .. } => None,
        };
        let complete = matches!(self.outcome, Outcome::Ok);
        if connection.is_opaque() {
            // The connection may be HTTP/2, which outlives the attempt.
            if !complete {
                connection
                    .mark_killed_if_dead(failure.is_some_and(|failure| failure.kind().is_of_connection()));
            }
        } else if usage.number() == connection.uses() && !connection.is_http2() {
            // Otherwise the connection serves another attempt already.
            self.hint_close(connection, released);
            if complete && !released {
                connection.set_response_complete(usage);
            }
        }
    }

    /// An HTTP/1 connection does not outlive an attempt that ended early, or not for long.
    fn hint_close(&self, connection: &Connection, released: bool) {
        match &self.outcome {
            Outcome::Ok if !released => {}
            Outcome::Ok | Outcome::Cancelled { .. } => {
                connection.mark_killed();
                if self.phase == Phase::Body {
                    connection.hint(CloseHint::BodyDropped);
                }
            }
            Outcome::Failed(failure) => {
                connection.mark_killed();
                if matches!(failure.kind(), Kind::Protocol | Kind::InvalidResponse | Kind::LimitExceeded) {
                    connection.hint(CloseHint::ProtocolError);
                }
            }
        }
    }
}
