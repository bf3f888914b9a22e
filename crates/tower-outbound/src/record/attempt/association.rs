//! Which connection serves an attempt.

use tokio::time::Instant;

use super::Attempt;
use crate::record::{Association, Connection, Setup, UseEvidence};

/// Makes a connection the serving one, once. `false` if the attempt has ended.
///
/// No lock is held while observers run.
pub(super) fn associate(
    attempt: &Attempt,
    connection: &Connection,
    at: Instant,
    evidence: UseEvidence,
) -> bool {
    let mut serving = attempt.0.serving();
    if serving.finished {
        drop(serving);
        if evidence == UseEvidence::Accepted {
            connection.accept_ended(attempt);
        }
        return false;
    }
    if serving.connection.as_ref().is_some_and(|current| current.id() == connection.id()) {
        return true;
    }
    serving.unreported += 1;
    let counted = std::mem::take(&mut serving.counted);
    let before = serving.connection.replace(connection.clone()).filter(|_| counted);
    serving.usage = None;
    drop(serving);
    if let Some(before) = before {
        before.end_use(at);
    }

    let (usage, association) = connection.begin_use(attempt, at, evidence);
    let mut serving = attempt.0.serving();
    serving.usage = Some(usage.clone());
    serving.counted = association == Association::Counted;
    let wasted = |setup: &&Setup| setup.connection_id().is_some_and(|id| id != connection.id());
    let wasted: Vec<_> = serving.setups.iter().filter(wasted).cloned().collect();
    drop(serving);
    for setup in wasted {
        setup.mark_wasted(attempt);
    }
    match association {
        Association::Closed => association_reported(attempt),
        Association::Counted | Association::Named => connection.report_association(attempt, usage),
    }
    true
}

/// An association was reported. If the end of the attempt has waited for that, it is emitted now: the connection's task may
/// report while the caller's task ends the attempt, and no event comes after the end.
pub(in crate::record) fn association_reported(attempt: &Attempt) {
    let mut serving = attempt.0.serving();
    serving.unreported -= 1;
    let end = if serving.unreported == 0 { serving.end.take() } else { None };
    drop(serving);
    if let Some(end) = end {
        end.emit(attempt);
    }
}

/// The client names the serving connection. Marks from another connection are discarded.
pub(super) fn confirm_connection(attempt: &Attempt, connection: &Connection, at: Instant) {
    let accepted = attempt.0.marks.accepted.is_set();
    // Of a body that a layer below has replaced, the response shows that the request was sent.
    let answered = attempt.0.write.body_escaped() && attempt.status().is_some();
    let evidence = if accepted || answered { UseEvidence::Named } else { UseEvidence::NamedUnsent };
    serve_by(attempt, connection, at, evidence);
}

/// The own task of an HTTP/2 connection accepts the request, before it can write the HEADERS.
pub(super) fn accept(attempt: &Attempt, connection: &Connection, at: Instant) {
    serve_by(attempt, connection, at, UseEvidence::Accepted);
}

fn serve_by(attempt: &Attempt, connection: &Connection, at: Instant, evidence: UseEvidence) {
    let marks = &attempt.0.marks;
    if attempt.connection().is_some_and(|serving| serving.id() == connection.id()) {
        return;
    }
    for mark in [&marks.send_start, &marks.send_end, &marks.first_byte] {
        mark.clear();
    }
    attempt.0.write.reset_turn();
    attempt.0.stream.forget();
    associate(attempt, connection, at, evidence);
}
