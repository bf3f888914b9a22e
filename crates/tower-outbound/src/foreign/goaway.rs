//! How a client learns that its HTTP/2 connection is retired: by a GOAWAY that this side puts between two frames
//! of the peer. It works for every client, since each obeys the protocol.

use std::io;
use std::task::{Context, Waker};

use tokio::io::ReadBuf;

use crate::connect::track::frames::Streams;
use crate::record::Connection;

/// Length of a GOAWAY without debug data (RFC 9113, section 6.8).
const LENGTH: usize = 17;

/// What a connection does for its retirement, before and after.
#[derive(Debug, Default)]
pub(crate) struct Retirement {
    /// The task that reads, as the connection knows it.
    reader: Option<Waker>,
    goaway: Option<GoAway>,
    /// The peer has spoken since: it lives after all, and what is in flight may take its time.
    pub(crate) heard: bool,
}

impl Retirement {
    /// Nothing can be read now: lets the connection know whom to wake.
    pub(crate) fn wait(&mut self, connection: &Connection, cx: &Context<'_>) {
        let known = self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker()));
        if !known && connection.may_retire() {
            self.reader = Some(cx.waker().clone());
            connection.wake_reader(cx.waker().clone());
        }
    }

    /// Puts as much of our GOAWAY into the buffer as it takes; `false` where none of it is due.
    pub(crate) fn say_goaway(
        &mut self,
        streams: &Streams,
        connection: &Connection,
        blocked: bool,
        buf: &mut ReadBuf<'_>,
    ) -> bool {
        // After the peer's own, which may allow for less, none is needed.
        if self.goaway.is_none() && streams.is_between_frames() && !streams.peer_goes_away() {
            let last = streams.last_opened();
            // What the client could not write yet may still go out.
            if let Some(order) = streams.order_of(last).filter(|_| !blocked) {
                connection.excludes_after(order);
            }
            self.goaway = Some(GoAway::new(last));
        }
        self.goaway.as_mut().is_some_and(|goaway| goaway.give(buf))
    }
}

/// Why nothing of a retired connection can be saved.
pub(crate) fn stuck() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the connection is retired: it was silent while attempts timed out",
    )
}

/// A GOAWAY of ours, on its way to the client.
#[derive(Debug)]
struct GoAway {
    frame: [u8; LENGTH],
    given: usize,
}

impl GoAway {
    /// The client has sent nothing on streams beyond the last: it may do so elsewhere.
    fn new(last_stream: u32) -> Self {
        let mut frame = [0; LENGTH];
        // The length of the payload and the type; no flags, the connection itself; below, `NO_ERROR`.
        frame[..4].copy_from_slice(&[0, 0, 8, 7]);
        frame[9..13].copy_from_slice(&last_stream.to_be_bytes());
        Self { frame, given: 0 }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.frame[self.given..];
        let piece = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(piece);
        self.given += piece.len();
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
                if !goaway.give(&mut buf) {
                    break;
                }
                taken.extend_from_slice(buf.filled());
            }
            assert_eq!(taken, [0, 0, 8, 7, 0, 0, 0, 0, 0, 1, 2, 3, 5, 0, 0, 0, 0], "in pieces of {room}");
        }
    }
}
