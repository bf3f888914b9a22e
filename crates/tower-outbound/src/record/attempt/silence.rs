use std::sync::atomic::Ordering;

use super::Attempt;
use crate::record::Connection;

/// A timeout is about to end the attempt. If its connection was silent since the attempt started, the timeout counts
/// against the connection too, unless the peer may rightly wait for the rest of the request.
pub(super) fn record_timeout(attempt: &Attempt, upload_stuck: bool) {
    let inner = &*attempt.0;
    let silent = match attempt.connection() {
        Some(connection) if connection.is_silent_since(inner.start) => vec![connection],
        // A request that no client has accepted proves nothing about any connection.
        None if inner.marks.accepted.is_set() => inner.registry.silent_http2(&inner.origin, inner.start),
        _ => Vec::new(),
    };
    inner.silent.store(!silent.is_empty(), Ordering::Release);
    if !inner.marks.body_sent.is_set() && !upload_stuck && !inner.marks.blocked.is_set() {
        return;
    }
    // A connection without a stream had nothing to answer.
    let has_streams = |connection: &&Connection| connection.in_flight() > 0;
    let any = silent.iter().any(|connection| has_streams(&connection));
    silent.iter().filter(|connection| !any || has_streams(connection)).for_each(Connection::record_timeout);
}
