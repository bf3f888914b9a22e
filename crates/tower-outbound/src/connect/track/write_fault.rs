//! A failed write, held back while the client may still read what the peer had sent before.
//!
//! A peer that refuses an upload responds and closes, which resets the connection. A peer that shuts down sends GOAWAY and
//! closes. In both cases this side can learn of the end by a write while the response, or the GOAWAY, waits in the receive
//! buffer. hyper and h2 do not read any more after a write has failed. So the write stays pending, and the client reads on:
//! to the end of what is there, where the read returns the error of the write.

use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

/// How many reads in a row may be pending. The runtime learns late that there is something to read: tokio asks the system
/// after 61 polls of tasks at the latest.
const PENDING_READS: u32 = 200;
/// How many writes and flushes may come in a row: a client that does not read between them does not read any more. hyper
/// makes several in one poll.
const WRITES: u32 = 16;

/// A failed write. Nothing more is written.
#[derive(Debug)]
pub(super) struct WriteFault {
    kind: ErrorKind,
    os_error: Option<i32>,
    writes_left: u32,
    pending_reads_left: u32,
}

impl WriteFault {
    /// `held`: the client may still read.
    pub(super) fn new(error: &io::Error, held: bool) -> Self {
        let left = |most| if held { most } else { 0 };
        Self {
            kind: error.kind(),
            os_error: error.raw_os_error(),
            writes_left: left(WRITES),
            pending_reads_left: left(PENDING_READS),
        }
    }

    /// Whether the error means that the peer has closed or reset the connection.
    pub(super) fn is_of_peer(error: &io::Error) -> bool {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted)
    }

    fn error(&self) -> io::Error {
        self.os_error.map_or_else(|| self.kind.into(), io::Error::from_raw_os_error)
    }

    fn is_held(&self) -> bool {
        self.writes_left > 0 && self.pending_reads_left > 0
    }

    /// The error is not held back any more.
    pub(super) fn release(&mut self) {
        self.writes_left = 0;
    }

    /// The result of a write or flush. `waits`: the client does not read before its caller has taken what it has read, and
    /// is polled then.
    pub(super) fn write<R>(&mut self, cx: &Context<'_>, waits: bool) -> Poll<io::Result<R>> {
        if !self.is_held() {
            return Poll::Ready(Err(self.error()));
        }
        if !waits {
            self.writes_left -= 1;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The result of a read that had this result.
    pub(super) fn read(
        &mut self,
        cx: &Context<'_>,
        result: Poll<io::Result<()>>,
        end: ReadEnd,
    ) -> Poll<io::Result<()>> {
        match result {
            Poll::Ready(Ok(())) if end == ReadEnd::None => {
                if self.is_held() {
                    (self.writes_left, self.pending_reads_left) = (WRITES, PENDING_READS);
                }
                result
            }
            Poll::Ready(Ok(())) if end == ReadEnd::Announced => {
                self.release();
                result
            }
            Poll::Pending if self.is_held() => {
                self.writes_left = WRITES;
                self.pending_reads_left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            // An alert of TLS says more.
            Poll::Ready(Err(error))
                if !Self::is_of_peer(&error) && error.kind() != ErrorKind::UnexpectedEof =>
            {
                self.release();
                Poll::Ready(Err(error))
            }
            Poll::Pending | Poll::Ready(_) => {
                self.release();
                Poll::Ready(Err(self.error()))
            }
        }
    }
}

/// Whether a read found the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadEnd {
    None,
    /// The peer announced the end, as in TLS.
    Announced,
    /// The end of a socket also follows a reset.
    OfSocket,
}

#[cfg(test)]
mod tests;
