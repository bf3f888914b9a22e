use std::sync::atomic::{Ordering, fence};

use super::Attempt;
use super::phases::is_queued;
use super::stream::waits_for_stream;
use crate::failure::{Failure, Kind, Phase, SendState};
use crate::record::{Connection, Protocol};

/// Completes a failure that ended an attempt.
pub(super) fn attribute(attempt: &Attempt, failure: Failure) -> Failure {
    let write = &attempt.0.write;
    let evidence = failure.send_evidence(write.is_untouched(), write.is_not_redirected());
    let state = send_state(attempt, evidence, failure.kind() == Kind::GoAway);
    // The last write may have returned since the phase was determined.
    let sent_since = state == SendState::Sent && failure.phase() == Some(Phase::Send);
    let failure = if sent_since { failure.with_phase(Phase::Wait) } else { failure };
    // Without a setup of its own.
    let queued = write.is_in_pool_queue() && attempt.0.serving().setups.is_empty();
    let failure = if queued && state == SendState::NotSent { failure.queued() } else { failure };
    given_up(attempt, failure).attributed(state)
}

/// hyper says of a request that waits for a stream only that its task is gone. The cause is why this side gave the
/// connection up, if it did.
fn given_up(attempt: &Attempt, failure: Failure) -> Failure {
    if failure.kind() != Kind::ConnectionAborted {
        return failure;
    }
    let cause = attempt.connection().and_then(|connection| connection.gave_up());
    match cause {
        Some(kind) => failure.with_kind(kind),
        None => failure,
    }
}

/// How much of the request was certainly sent. `evidence` is what the error itself proves; `goaway`: the error is the
/// peer's GOAWAY.
fn send_state(attempt: &Attempt, evidence: Option<SendState>, goaway: bool) -> SendState {
    let inner = &*attempt.0;
    let sealed = inner.write.seal();
    fence(Ordering::SeqCst);
    let connection = attempt.connection();
    let http2 = connection.as_ref().is_some_and(Connection::is_http2);
    if let Some(written) = sealed.err().filter(|_| !http2) {
        return written;
    }
    let accepted = inner.marks.accepted.is_set();
    // In this order: a stream that was opened before the connection ended shows.
    let unopened =
        || connection.as_ref().is_some_and(Connection::opens_no_stream) && waits_for_stream(attempt);
    let blocked = !http2 && inner.write.has_turn();
    match evidence {
        // A response means that the request was received.
        _ if attempt.status().is_some() => SendState::Unknown,
        _ if http2 && unopened() => SendState::NotSent,
        _ if goaway && connection.as_ref().is_some_and(Connection::is_retired_by_client) => {
            SendState::NotSent
        }
        // The error of the stream itself: only HTTP/2 has it.
        Some(SendState::NotProcessed) => SendState::NotProcessed,
        _ if http2 && connection.as_ref().is_some_and(|one| is_beyond_goaway(attempt, one, goaway)) => {
            SendState::NotProcessed
        }
        Some(SendState::NotSent) if !accepted => SendState::NotSent,
        _ if inner.write.is_dropped_untouched() => SendState::NotSent,
        _ if inner.write.is_in_pool_queue() || inner.write.is_taken_back() => SendState::NotSent,
        _ if is_queued(attempt) => SendState::NotSent,
        _ if blocked => SendState::NotSent,
        _ if connection.is_none() && !accepted && all_connections_ask(attempt) => SendState::NotSent,
        _ => SendState::Unknown,
    }
}

/// Whether the peer's GOAWAY leaves the stream of the attempt out, whatever ended the attempt. `goaway`: that GOAWAY did, which
/// alone does not prove this: hyper returns its error also for a stream that the GOAWAY includes. Ids ascend, so a request
/// that was accepted after the last included stream was sent is beyond the GOAWAY.
fn is_beyond_goaway(attempt: &Attempt, connection: &Connection, goaway: bool) -> bool {
    if let Some(id) = attempt.0.stream.id() {
        return id > connection.goaway_last();
    }
    let accepted = attempt.0.write.accepted();
    accepted > connection.goaway_after_last() || goaway && accepted > connection.goaway_after()
}

/// Whether every connection that might have the request asks before it writes: tracked, not HTTP/2, and the body is still there to hand the request off.
fn all_connections_ask(attempt: &Attempt) -> bool {
    let inner = &*attempt.0;
    let tracked = || {
        inner.serving().setups.iter().any(|setup| setup.is_tracked() && setup.origin() == attempt.origin())
    };
    let handed_off = !inner.write.body_escaped() && tracked();
    let asks = |connection: &Connection| connection.origin() != attempt.origin() || asks(connection);
    handed_off && inner.registry.all_connections(asks)
}

/// A connection that was never written to is not HTTP/2 yet: an HTTP/2 client sends its preface before it takes a request.
fn asks(connection: &Connection) -> bool {
    match connection.protocol() {
        Some(protocol) => protocol == Protocol::Http1,
        None => !connection.is_opaque(),
    }
}
