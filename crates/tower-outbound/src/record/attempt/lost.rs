//! A request that its client has lost.
//!
//! hyper hands requests to a connection through a queue. A connection that ends in the very moment in which a request
//! enters the queue leaves it there (tokio counts a message before it pushes it, and the receiver that is dropped in
//! between does not see it), and the client waits for ever. Requests that enter the queue behind it are lost with it. Only
//! what did not happen shows this: no connection asks for the request, though one has ended, and none is being opened.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use tokio::time::Instant;

use super::Attempt;
use super::phases::{accepted_since, is_queued};
use crate::record::Connection;

/// Two requests that start so far apart enter a queue in this order, whatever threads they are on.
const LATER: Duration = Duration::from_millis(100);

/// How much longer to wait where the request may stand in a queue.
const UNPROVED: Duration = Duration::from_secs(29);

/// Whether a connection has the request, or the attempt is over.
#[inline]
pub(super) fn is_taken(attempt: &Attempt) -> bool {
    let marks = &attempt.0.marks;
    marks.accepted.is_set() || marks.send_start.is_set() || marks.head.is_set() || attempt.is_ended()
}

/// Since when nothing has happened that could still lead to a connection for the request; `None` if something may, or if
/// no connection has ended since the client has the request.
pub(super) fn lost_since(attempt: &Attempt) -> Option<Instant> {
    let inner = &*attempt.0;
    // Where something else than a client has had the body, no connection asks for it. Our pool loses nothing.
    let elsewhere = inner.write.body_escaped() || inner.write.is_in_pool_queue();
    let elsewhere = elsewhere || inner.awaits_connector.load(Ordering::Acquire);
    if is_taken(attempt) || is_queued(attempt) || elsewhere {
        return None;
    }
    if inner.write.has_redirect_client() {
        return lost_by_untracked(attempt);
    }
    if let Some(since) = lost_where_connections_change(attempt) {
        return Some(since);
    }
    let (ended, quiet) = attempt.origin().changes().last_end()?;
    if ended < accepted_since(attempt) {
        return None;
    }
    let serving = inner.serving();
    let connects = serving.connection.is_some() || serving.setups.iter().any(|one| one.start_time() >= ended);
    drop(serving);
    if connects {
        return None;
    }
    match wait_in_queue(attempt) {
        Wait::ForStream => None,
        Wait::Possible => Some(quiet + UNPROVED),
        Wait::Impossible => Some(quiet),
    }
}

/// The same where connections end and others open all the time. When a request that was sent later is served while no
/// connection is being opened, a connection that is open then has this request, or one that has ended. If all of them have
/// ended, the request is lost.
fn lost_where_connections_change(attempt: &Attempt) -> Option<Instant> {
    let inner = &*attempt.0;
    let (origin, overtaken) = (attempt.origin(), inner.marks.overtaken.get(inner.start));
    let of_others_or = |holds: &dyn Fn(&Connection) -> bool| {
        inner.registry.all_connections(|connection| connection.origin() != origin || holds(connection))
    };
    let connects_since = |at| inner.serving().setups.iter().any(|setup| setup.start_time() > at);
    match overtaken.filter(|at| !connects_since(*at)) {
        Some(at) => of_others_or(&|connection| connection.opened() > at).then_some(at),
        None => {
            let later = accepted_since(attempt) + LATER;
            if !of_others_or(&|connection| !connection.served_since(later)) && !origin.changes().sets_up() {
                inner.marks.overtaken.set(inner.start, Instant::now());
            }
            None
        }
    }
}

/// The same where connections are not tracked, so that their ends do not show (reqwest). The client has the request, and
/// hands it to a connection or begins a setup at once. So the connection that was handed the request has ended, unless it is
/// HTTP/2 and the request waits for a stream.
fn lost_by_untracked(attempt: &Attempt) -> Option<Instant> {
    let since = accepted_since(attempt);
    let quiet = attempt.origin().changes().untracked_quiet()?;
    let served_later = quiet.newest_start >= Some(since + LATER);
    match quiet.waits_for_stream_possible && !served_later {
        true => None,
        false if served_later => Some(since.max(quiet.setup_ended)),
        false => Some(since.max(quiet.setup_ended).max(quiet.taken_or_ended.unwrap_or(since))),
    }
}

/// Whether the request may stand in a queue that this crate does not see.
enum Wait {
    /// For a stream of an HTTP/2 connection.
    ForStream,
    /// In the queue of a layer between observe and the client (`tower::buffer`).
    Possible,
    Impossible,
}

/// Such queues are first in, first out: a request that was sent later and served earlier stood in another one. So does
/// every request where nothing is in flight.
fn wait_in_queue(attempt: &Attempt) -> Wait {
    let later = accepted_since(attempt) + LATER;
    let (mut served, mut busy) = (false, false);
    let waits_for_no_stream = attempt.0.registry.all_connections(|connection| {
        if connection.origin() != attempt.origin() {
            busy = busy || is_busy(connection);
            return true;
        }
        let serves = connection.served_since(later);
        let in_flight = connection.in_flight() > 0;
        served |= serves;
        busy = busy || is_busy(connection);
        !in_flight || !connection.is_http2() || serves
    });
    match () {
        () if !waits_for_no_stream => Wait::ForStream,
        () if served || !busy => Wait::Impossible,
        () => Wait::Possible,
    }
}

fn is_busy(connection: &Connection) -> bool {
    // tonic's own TLS, above the tracked IO, is not over before the first request.
    let handshakes = || connection.setup().awaits_tls() && connection.uses() == 0;
    connection.in_flight() > 0 || handshakes()
}

/// Makes sure that no HTTP/1 connection writes the request any more. `false` if a connection has it after all.
pub(super) fn give_up(attempt: &Attempt) -> bool {
    let sealed = attempt.0.write.seal_unwritten();
    fence(Ordering::SeqCst);
    sealed && !is_taken(attempt)
}

#[cfg(all(test, feature = "reqwest"))]
mod tests;
