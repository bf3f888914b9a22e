//! Retires an HTTP/2 connection of a pool of another crate: the client reads a GOAWAY that is injected between two frames of
//! the peer. This works with every client that follows the protocol.

use std::io;
use std::task::{Context, Waker};

use tokio::io::ReadBuf;

use crate::record::Connection;

/// Length of a GOAWAY without debug data (RFC 9113, section 6.8).
const LENGTH: usize = 17;

/// The injected GOAWAY of a connection, and what leads to it.
#[derive(Debug, Default)]
pub(crate) struct GoAwayInjection {
    /// The waker of the task that reads, as the connection has it.
    reader: Option<Waker>,
    goaway: Option<GoAway>,
    /// The peer sent bytes after the retirement: the connection is alive, and its streams may complete.
    pub(crate) received_since: bool,
}

/// The last stream whose request may complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastStream {
    pub(crate) id: u32,
    /// When its request was sent, if this is known and everything the client has written was sent.
    pub(crate) sequence: Option<u64>,
}

impl GoAwayInjection {
    /// Nothing can be read now: the connection wakes this task when it is retired.
    pub(crate) fn wait(&mut self, connection: &Connection, cx: &Context<'_>) {
        let known = self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker()));
        if !known {
            self.reader = Some(cx.waker().clone());
            connection.io().set_reader(Some(cx.waker().clone()));
        }
    }

    /// Puts as much of the GOAWAY into the buffer as fits. `false` if none of it is due. `last` is `None` where no frame can
    /// be injected, or none is needed after the peer's own GOAWAY, which may include fewer streams.
    pub(crate) fn inject(
        &mut self,
        connection: &Connection,
        last: impl FnOnce() -> Option<LastStream>,
        buf: &mut ReadBuf<'_>,
    ) -> bool {
        if let Some(last) = self.goaway.is_none().then(last).flatten() {
            if let Some(sequence) = last.sequence {
                connection.io().exclude_after(sequence);
            }
            self.goaway = Some(GoAway::new(last.id));
        }
        self.goaway.as_mut().is_some_and(|goaway| goaway.copy_to(buf))
    }
}

/// The error of a retired connection on which nothing can be saved.
pub(crate) fn silent_error() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the connection is retired: it was silent while attempts timed out",
    )
}

/// An injected GOAWAY, on its way to the client.
#[derive(Debug)]
struct GoAway {
    frame: [u8; LENGTH],
    copied: usize,
}

impl GoAway {
    /// The client may retry requests on streams beyond the last elsewhere: nothing of them was sent.
    fn new(last_stream: u32) -> Self {
        let mut frame = [0; LENGTH];
        // The payload's length and the type. The zeros are no flags, stream 0, and `NO_ERROR` at the end.
        frame[..4].copy_from_slice(&[0, 0, 8, 7]);
        frame[9..13].copy_from_slice(&last_stream.to_be_bytes());
        Self { frame, copied: 0 }
    }

    fn copy_to(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.frame[self.copied..];
        let piece = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(piece);
        self.copied += piece.len();
        !piece.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goaway_frame_is_17_bytes_in_any_read_size() {
        for room in 1..=20 {
            let mut goaway = GoAway::new(0x0102_0305);
            let mut taken = Vec::new();
            loop {
                let mut bytes = vec![0; room];
                let mut buf = ReadBuf::new(&mut bytes);
                if !goaway.copy_to(&mut buf) {
                    break;
                }
                taken.extend_from_slice(buf.filled());
            }
            assert_eq!(taken, [0, 0, 8, 7, 0, 0, 0, 0, 0, 1, 2, 3, 5, 0, 0, 0, 0], "in pieces of {room}");
        }
    }
}
