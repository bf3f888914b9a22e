//! [`Uploads`]: ends the uploads of an HTTP/2 connection that nobody waits for any more.
//!
//! A peer may answer before it has the whole request, and then take no more of it. h2 keeps what it was given until the peer
//! takes it, and hyper asks the body for nothing more, so neither would ever end. A peer should send `RST_STREAM` after such
//! an answer (RFC 9113, section 8.1). For a peer that does not, the client reads one here, and drops the rest of the request.
//! The peer reads one too, in place of that rest.

use std::task::Context;

use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::record::{Connection, WeakAttempt};
use crate::timer::{Alarm, GRACE};

/// Length of an `RST_STREAM` (RFC 9113, section 6.4).
const LENGTH: usize = 13;
/// Error codes (RFC 9113, section 7).
const NO_ERROR: u8 = 0;
const CANCEL: u8 = 8;

/// The uploads that go on.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    going_on: Vec<Upload>,
    alarm: Alarm,
    reset: Option<Reset>,
}

/// A request whose end was not sent.
#[derive(Debug)]
struct Upload {
    stream: u32,
    /// If it is known.
    attempt: Option<WeakAttempt>,
    /// When the response ended.
    answered: Option<Instant>,
}

/// An upload that is being reset.
#[derive(Debug)]
struct Reset {
    stream: u32,
    /// Bytes that the client has read, and then those that were written to the peer.
    read: usize,
    written: usize,
}

impl Uploads {
    /// A request was sent that has a body.
    pub(super) fn begin(&mut self, stream: u32, attempt: Option<WeakAttempt>) {
        self.going_on.push(Upload { stream, attempt, answered: None });
    }

    /// The response has ended.
    pub(super) fn answered(&mut self, stream: u32, at: Instant) {
        let upload = self.going_on.iter_mut().find(|upload| upload.stream == stream);
        if let Some(upload) = upload {
            upload.answered = Some(at);
        }
    }

    /// The end of the request was sent, or the stream was reset.
    pub(super) fn end(&mut self, stream: u32) {
        if let Some(at) = self.going_on.iter().position(|upload| upload.stream == stream) {
            self.going_on.swap_remove(at);
        }
    }

    /// A read is pending. Looks whether an upload is to be reset, or wakes the task when one is.
    pub(super) fn poll(&mut self, connection: &Connection, cx: &mut Context<'_>) {
        let Self { going_on, alarm, reset } = self;
        if reset.is_some() || going_on.iter().all(|upload| upload.answered.is_none()) {
            return;
        }
        let left = |now: Instant| {
            let mut next = GRACE;
            for upload in &*going_on {
                let Some(over) = upload.over() else { continue };
                let left = GRACE.saturating_sub(now.saturating_duration_since(over));
                if left.is_zero() {
                    return Err(upload.stream);
                }
                next = next.min(left);
            }
            Ok(next)
        };
        if let Some(stream) = alarm.poll(connection.io().timers(), cx, GRACE, left) {
            self.end(stream);
            self.reset = Some(Reset { stream, read: 0, written: 0 });
        }
    }

    /// Whether the client has read a part of an `RST_STREAM`: the rest comes next.
    pub(super) fn is_within_frame(&self) -> bool {
        self.reset.as_ref().is_some_and(|reset| (1..LENGTH).contains(&reset.read))
    }

    /// Lets the client read a piece of an `RST_STREAM`; `false` if none is due.
    pub(super) fn inject(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(reset) = &mut self.reset else { return false };
        let frame = frame(reset.stream, NO_ERROR);
        let rest = &frame[reset.read..];
        let piece = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(piece);
        reset.read += piece.len();
        !piece.is_empty()
    }

    /// What is to be written to the peer. `begins`: the client has written everything that it had.
    pub(super) fn unwritten(&self, begins: bool) -> Option<Rest> {
        let reset = self.reset.as_ref()?;
        let due = reset.read == LENGTH && (begins || reset.written > 0);
        due.then(|| Rest { frame: frame(reset.stream, CANCEL), from: reset.written })
    }

    /// This many bytes of it were written.
    pub(super) fn written(&mut self, bytes: usize) {
        if let Some(reset) = &mut self.reset {
            reset.written += bytes;
            if reset.written >= LENGTH {
                self.reset = None;
            }
        }
    }
}

impl Upload {
    /// Since when nobody waits for the response.
    fn over(&self) -> Option<Instant> {
        let answered = self.answered?;
        match self.attempt.as_ref().and_then(WeakAttempt::upgrade) {
            Some(attempt) => attempt.end_time().map(|end| end.max(answered)),
            None => Some(answered),
        }
    }
}

/// The rest of a frame.
#[derive(Debug)]
pub(super) struct Rest {
    frame: [u8; LENGTH],
    from: usize,
}

impl Rest {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.frame[self.from..]
    }
}

fn frame(stream: u32, code: u8) -> [u8; LENGTH] {
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [0, 0, 4, 3, 0, s0, s1, s2, s3, 0, 0, 0, code]
}
