//! The phase that an attempt is in, and the events of the phases that have ended.
//!
//! The connection's task only writes marks. The caller's task emits the phases, at the head and at the end.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Attempt;
use super::marks::Mark;
use super::stream::{first_stream_since, waits_for_stream};
use crate::event::Event;
use crate::failure::{Failure, Phase};
use crate::record::Setup;

/// Whether the attempt waits for a slot, so that the client has not seen the request.
pub(super) fn is_queued(attempt: &Attempt) -> bool {
    let marks = &attempt.0.marks;
    marks.queued.is_set() && !marks.slot.is_set()
}

/// Since when the client has the request.
pub(super) fn accepted_since(attempt: &Attempt) -> Instant {
    attempt.0.marks.slot.get(attempt.0.start).unwrap_or(attempt.0.start)
}

/// Infers from the request's body what the IO does not show: the end of the phase `send` on HTTP/2, and also its start
/// where the connection is not tracked or its streams are not known. Both are no later than `at`: the connection's task goes
/// on meanwhile.
pub(super) fn witness_sending(attempt: &Attempt, at: Instant) {
    let inner = &*attempt.0;
    if inner.marks.send_start.is_set() && (!inner.stream.is_open() || inner.marks.send_end.is_set()) {
        return;
    }
    let start = match inner.marks.send_start.get(inner.start) {
        Some(headers) => headers,
        None if waits_for_stream(attempt) => return,
        None => {
            let Some(accepted) = inner.marks.accepted.get(inner.start) else { return };
            let start = first_stream_since(attempt).map_or(accepted, |opened| opened.max(accepted)).min(at);
            if !inner.marks.send_start.set_once(inner.start, start) {
                return;
            }
            start
        }
    };
    match inner.marks.body_sent.get(inner.start) {
        Some(sent) => inner.marks.send_end.set(inner.start, sent.min(at).max(start)),
        None => {
            inner.marks.send_end.set(inner.start, at);
            inner.answered_early.store(true, Ordering::Release);
        }
    }
}

/// The phase that the attempt is in, and since when.
pub(in crate::record) fn current_phase(attempt: &Attempt) -> (Phase, Instant) {
    let inner = &*attempt.0;
    let at = |mark: &Mark| mark.get(inner.start);
    if let Some(head) = at(&inner.marks.head) {
        return (Phase::Body, head);
    }
    if let Some(first_byte) = at(&inner.marks.first_byte) {
        return (Phase::Head, first_byte);
    }
    match (at(&inner.marks.send_start), inner.sent()) {
        (Some(_), Some(sent)) if is_sent(attempt) => (Phase::Wait, sent),
        (Some(start), _) => (Phase::Send, start),
        (None, _) if is_queued(attempt) => (Phase::Queue, inner.start),
        (None, _) => (Phase::Acquire, accepted_since(attempt)),
    }
}

/// Whether the whole request was sent: by the writes of an HTTP/1 connection, otherwise by the request's body.
fn is_sent(attempt: &Attempt) -> bool {
    let inner = &*attempt.0;
    match inner.write.has_turn() {
        true => inner.write.is_complete(),
        false => inner.marks.body_sent.is_set() && !inner.marks.blocked.is_set(),
    }
}

pub(super) fn failing_phase(attempt: &Attempt) -> Phase {
    witness_sending(attempt, Instant::now());
    let phase = current_phase(attempt).0;
    if phase != Phase::Acquire {
        return phase;
    }
    let serving = attempt.0.serving();
    serving.setups.iter().rev().find_map(Setup::running_phase).unwrap_or(phase)
}

/// Emits the phases that have ended before this one.
pub(super) fn emit_phases(attempt: &Attempt, until: Phase) {
    if !attempt.0.registry.observers().want_attempt_phases() {
        return;
    }
    let timings = attempt.timings();
    let order = [Phase::Queue, Phase::Acquire, Phase::Send, Phase::Wait, Phase::Head];
    for phase in order.into_iter().take_while(|phase| *phase != until) {
        if let Some((start, end)) = timings.span(phase) {
            emit_phase(attempt, phase, start, end, None);
        }
    }
}

pub(super) fn emit_phase(
    attempt: &Attempt,
    phase: Phase,
    start: Instant,
    end: Instant,
    failure: Option<&Failure>,
) {
    attempt.0.registry.observers().emit_attempt_phase(&Event::AttemptPhase {
        attempt,
        phase,
        start,
        end,
        failure,
    });
}
