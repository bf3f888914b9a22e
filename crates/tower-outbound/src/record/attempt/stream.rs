//! Whether an HTTP/2 request waits for a stream: the client has accepted it, and its HEADERS are not out.
//!
//! The peer has no share in that wait: it may allow no further stream. Where the connection's own task is known
//! ([`Connection::drive`](crate::Connection::drive)), the stream of each request is known. Otherwise a request waits as long
//! as no stream was opened since the client accepted it.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::time::Instant;

use super::Attempt;
use crate::record::Connection;

/// The stream of the request is not known.
const UNKNOWN: u8 = 0;
/// The stream of the request is known, and is not open.
const WAITING: u8 = 1;
/// The HEADERS of the request were written.
const OPEN: u8 = 2;

/// What is known of the stream of a request.
#[derive(Debug, Default)]
pub(in crate::record) struct StreamProgress {
    progress: AtomicU8,
    /// The id of the stream, once it is open.
    id: AtomicU32,
}

impl StreamProgress {
    /// The connection has accepted the request for a stream that is known.
    pub(in crate::record) fn wait(&self) {
        self.progress.store(WAITING, Ordering::Release);
    }

    /// The same for an attempt that has ended. `false` if the request was accepted before.
    pub(in crate::record) fn wait_ended(&self) -> bool {
        self.progress.compare_exchange(UNKNOWN, WAITING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The HEADERS were written.
    pub(super) fn open(&self, id: u32) {
        self.id.store(id, Ordering::Release);
        self.progress.store(OPEN, Ordering::Release);
    }

    /// Another connection serves the request.
    pub(super) fn forget(&self) {
        self.progress.store(UNKNOWN, Ordering::Release);
    }

    pub(in crate::record) fn is_open(&self) -> bool {
        self.progress.load(Ordering::Acquire) == OPEN
    }

    /// The id of the open stream, if it is known.
    pub(super) fn id(&self) -> Option<u32> {
        self.is_open().then(|| self.id.load(Ordering::Acquire))
    }
}

/// Whether the client has accepted the request for an HTTP/2 connection and has certainly not written its HEADERS.
pub(super) fn waits_for_stream(attempt: &Attempt) -> bool {
    let inner = &*attempt.0;
    match inner.stream.progress.load(Ordering::Acquire) {
        WAITING => true,
        OPEN => false,
        _ if !inner.marks.accepted.is_set() || inner.marks.send_start.is_set() => false,
        _ => {
            let accepted = inner.write.accepted();
            match attempt.connection() {
                Some(connection) => opened_none_since(&connection, accepted),
                None => {
                    !inner.write.has_redirect_client()
                        && inner.registry.no_stream_since(&inner.origin, accepted)
                }
            }
        }
    }
}

/// When the first stream was opened after the client had accepted the request: no earlier were its HEADERS out.
pub(super) fn first_stream_since(attempt: &Attempt) -> Option<Instant> {
    let accepted = attempt.0.write.accepted();
    match attempt.connection() {
        Some(connection) => connection.first_stream_since(accepted),
        None => attempt.0.registry.first_stream_since(&attempt.0.origin, accepted),
    }
}

/// Whether the HTTP/2 connection has opened no stream since this sequence number.
pub(in crate::record) fn opened_none_since(connection: &Connection, sequence: u64) -> bool {
    connection.is_tracked()
        && connection.is_http2()
        && !connection.is_opaque()
        && connection.last_stream_opened() < sequence
}
