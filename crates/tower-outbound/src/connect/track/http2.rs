//! The side of HTTP/2: the streams of a connection, and the GOAWAY that is injected when it is retired.

use std::io;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::streams::{StreamChange, Streams};
use super::uploads::{Rest, Uploads};
use crate::failure::Kind;
use crate::foreign::{ExecutorId, GoAwayInjection, LastStream, announce_tasks, silent_error};
use crate::record::Connection;

/// Error codes (RFC 9113, section 7) with which h2 gives a connection up for another reason than a violation of the protocol.
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
/// A head in too many CONTINUATION frames; for an HPACK error h2 says `PROTOCOL_ERROR`.
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// The last stream in a GOAWAY that begins a graceful shutdown: requests in flight complete (RFC 9113, section 6.8).
const ALL_STREAMS: u32 = (1 << 31) - 1;

/// What the bytes of an HTTP/2 connection show, and the GOAWAY that is put into them.
#[derive(Debug)]
pub(super) struct Http2 {
    streams: Streams,
    uploads: Uploads,
    injection: GoAwayInjection,
    /// The last write was pending.
    blocked: bool,
    /// To be told of the connection, once the preface is written.
    executor: Option<ExecutorId>,
}

impl Http2 {
    pub(super) fn new(executor: Option<ExecutorId>) -> Self {
        let (streams, uploads) = (Streams::new(), Uploads::default());
        Self { streams, uploads, injection: GoAwayInjection::default(), blocked: false, executor }
    }

    /// The number of requests without a complete response.
    pub(super) fn open(&self) -> usize {
        self.streams.open()
    }

    /// Whether the connection goes on: neither side has sent a GOAWAY.
    pub(super) fn goes_on(&self, connection: &Connection) -> bool {
        !self.streams.peer_goes_away() && !connection.io().is_retired()
    }

    /// Whether no request uses the connection, and a GOAWAY can be injected.
    pub(super) fn may_retire(&self) -> bool {
        self.open() == 0 && self.streams.is_between_frames()
    }

    /// Whether a request was sent.
    pub(super) fn has_sent_request(&self) -> bool {
        self.streams.last_opened() > 0
    }

    /// The streams that the written bytes open or reset.
    pub(super) fn written(
        &mut self,
        connection: &Connection,
        result: &Poll<io::Result<usize>>,
        bufs: &[io::IoSlice<'_>],
        at: Instant,
    ) {
        self.blocked = result.is_pending();
        let Poll::Ready(Ok(mut written)) = *result else {
            if result.is_ready() {
                self.refused(connection, bufs);
            }
            return;
        };
        for buf in bufs {
            let (bytes, _) = buf.split_at(written.min(buf.len()));
            written -= bytes.len();
            let Self { streams, uploads, .. } = self;
            streams.sent(bytes, |change| record(connection, uploads, change, at));
        }
        if let Some(executor) = self.executor.take_if(|_| self.streams.has_sent_preface()) {
            announce_tasks(connection, executor);
        }
    }

    /// These bytes were not written. A GOAWAY among them says all the same why this side gives the connection up.
    pub(super) fn refused(&self, connection: &Connection, bufs: &[io::IoSlice<'_>]) {
        if let Some(code) = self.streams.would_give_up(bufs.iter().map(|buf| &**buf)) {
            connection.io().gave_up(kind_of(code));
        }
    }

    /// Whether these bytes, if written next, open a stream.
    pub(super) fn would_open(&self, bufs: &[io::IoSlice<'_>]) -> bool {
        self.streams.would_open(bufs.iter().map(|buf| &**buf))
    }

    /// Whether a client that closes the connection now gives the peer up as silent.
    pub(super) fn awaits_ping(&self) -> bool {
        self.streams.awaits_ping()
    }

    pub(super) fn read(&mut self, connection: &Connection, bytes: &[u8], at: Instant) {
        self.injection.received_since |= connection.io().is_retired();
        let Self { streams, uploads, .. } = self;
        streams.received(bytes, |change| record(connection, uploads, change, at));
    }

    /// Lets the client read a piece of an injected frame; `false` if none is due.
    pub(super) fn inject(&mut self, connection: &Connection, buf: &mut ReadBuf<'_>) -> bool {
        if self.uploads.is_within_frame() {
            return self.uploads.inject(buf);
        }
        self.inject_goaway(connection, buf) || (self.streams.is_between_frames() && self.uploads.inject(buf))
    }

    /// A frame of this layer that is to be written now. `flushes`: the client has written everything that it had.
    pub(super) fn unwritten(&self, flushes: bool) -> Option<Rest> {
        self.uploads.unwritten(flushes && self.streams.sends_between_frames())
    }

    /// This many bytes of that frame were written.
    pub(super) fn wrote_own(&mut self, connection: &Connection, bytes: &[u8], at: Instant) {
        let Self { streams, uploads, .. } = self;
        uploads.written(bytes.len());
        streams.sent(bytes, |change| record(connection, uploads, change, at));
    }

    fn inject_goaway(&mut self, connection: &Connection, buf: &mut ReadBuf<'_>) -> bool {
        let io = connection.io();
        if !io.is_retired() {
            return false;
        }
        let Self { streams, injection, blocked, .. } = self;
        let last = || {
            let possible = streams.is_between_frames() && !streams.peer_goes_away();
            // The requests of a silent connection fail; those of any other one complete.
            possible.then(|| match io.is_retired_as_silent() {
                true => {
                    let id = streams.last_opened();
                    // What the client could not write yet may still be written.
                    LastStream { id, sequence: streams.sequence_of(id).filter(|_| !*blocked) }
                }
                false => LastStream { id: ALL_STREAMS, sequence: None },
            })
        };
        injection.inject(connection, last, buf)
    }

    /// A read is pending.
    pub(super) fn read_pending(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.injection.wait(connection, cx);
        self.uploads.poll(connection, cx);
        // The connection may have been retired before it had the waker.
        if self.inject(connection, buf) {
            return Poll::Ready(Ok(()));
        }
        match self.is_silent(connection) && !self.streams.is_between_frames() {
            true => Poll::Ready(Err(silent_error())),
            false => Poll::Pending,
        }
    }

    /// A write is pending: a retired connection whose peer accepts no byte either is lost.
    pub(super) fn write_pending<R>(
        &mut self,
        connection: &Connection,
        cx: &Context<'_>,
    ) -> Poll<io::Result<R>> {
        self.injection.wait(connection, cx);
        if self.is_silent(connection) { Poll::Ready(Err(silent_error())) } else { Poll::Pending }
    }

    /// Whether the connection is retired for silence, and its peer has sent nothing since.
    fn is_silent(&self, connection: &Connection) -> bool {
        connection.io().is_retired_as_silent() && !self.injection.received_since
    }
}

fn record(connection: &Connection, uploads: &mut Uploads, change: StreamChange, at: Instant) {
    let io = connection.io();
    match change {
        StreamChange::Opened { stream, sequence, upload } => {
            let attempt = io.begin_stream(stream, sequence, at);
            if upload {
                uploads.begin(stream, attempt);
            }
        }
        StreamChange::Uploaded { stream } => uploads.end(stream),
        StreamChange::Answered { stream } => uploads.answered(stream, at),
        StreamChange::Closed => io.end_stream(at),
        StreamChange::GoAway { last, after } => io.goaway_received(last, after),
        StreamChange::Excluded { after } => io.exclude_after(after),
        StreamChange::GaveUp { code } => io.gave_up(kind_of(code)),
    }
}

/// Why this side gives a connection up, by the code of its GOAWAY.
fn kind_of(code: u32) -> Kind {
    match code {
        REFUSED_STREAM | COMPRESSION_ERROR | ENHANCE_YOUR_CALM => Kind::LimitExceeded,
        INTERNAL_ERROR | CANCEL => Kind::ConnectionAborted,
        _ => Kind::Protocol,
    }
}
