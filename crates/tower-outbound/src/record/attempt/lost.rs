//! A request that its client has lost.
//!
//! hyper hands requests to a connection through a queue. A connection that ends in the very moment in which a request
//! enters the queue leaves it there (tokio counts a message before it pushes it, and the receiver that is dropped in
//! between does not see it), and the client waits for ever. Only what did not happen shows this: no connection asks for
//! the request, though one has ended, and none is being opened.

use std::sync::atomic::{Ordering, fence};

use tokio::time::Instant;

use super::Attempt;
use super::phases::{accepted_since, is_queued};

/// Whether a connection has the request, or the attempt is over.
pub(super) fn is_taken(attempt: &Attempt) -> bool {
    let marks = &attempt.0.marks;
    marks.accepted.is_set() || marks.send_start.is_set() || marks.head.is_set() || attempt.is_ended()
}

/// Since when nothing has happened that could still lead to a connection for the request; `None` if something may, or if
/// no connection has ended since the client has the request.
pub(super) fn lost_since(attempt: &Attempt) -> Option<Instant> {
    // Where something else than a client has had the body, no connection asks for it.
    if is_taken(attempt) || is_queued(attempt) || attempt.0.write.body_escaped() {
        return None;
    }
    let (ended, quiet) = attempt.origin().changes().last_end()?;
    if ended < accepted_since(attempt) {
        return None;
    }
    let serving = attempt.0.serving();
    let connects = serving.connection.is_some() || serving.setups.iter().any(|one| one.start_time() >= ended);
    drop(serving);
    // The request may wait for a stream of a busy connection.
    let waits_for_stream = || attempt.0.registry.has_busy_http2(attempt.origin());
    (!connects && !waits_for_stream()).then_some(quiet)
}

/// Makes sure that no HTTP/1 connection writes the request any more. `false` if a connection has it after all.
pub(super) fn give_up(attempt: &Attempt) -> bool {
    let latched = attempt.0.write.latch_not_sent().is_ok();
    fence(Ordering::SeqCst);
    latched && !is_taken(attempt)
}
