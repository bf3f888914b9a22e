//! Counts what passes, and tells the turns of an HTTP/1 connection apart.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frames::{Change, Streams};
use crate::error::NoTlsError;
use crate::failure::{Failure, Kind};
use crate::foreign::goaway::{Retirement, stuck};
use crate::record::{Attempt, CloseHint, Connection, IoEnd, Protocol, WeakAttempt};

/// The first bytes of an HTTP/2 connection (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// The first byte of a TLS connection: a record of its handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Sits on tokio's traits, since only there a wrapper sees what a read has filled.
#[derive(Debug)]
pub(super) struct Meter<T> {
    inner: T,
    turns: Turns,
}

/// What the bytes say of the connection.
#[derive(Debug)]
struct Turns {
    connection: Connection,
    attempt: Option<WeakAttempt>,
    /// Which use of the connection it is, counted from 1.
    turn: u64,
    /// No write of this turn has returned yet.
    untouched: bool,
    /// The whole request is out, and nothing was written since.
    whole: bool,
    begun: bool,
    /// TLS runs above.
    opaque: bool,
    /// TLS was to run above, and does not: nothing goes out.
    bare: bool,
    read_since_write: bool,
    /// The last write could not be made: the request is not whole on the wire.
    blocked: bool,
    streams: Option<Box<Streams>>,
    retirement: Retirement,
    end: IoEnd,
}

impl<T> Meter<T> {
    pub(super) fn new(inner: T, connection: Connection) -> Self {
        let end = IoEnd::default();
        let (attempt, begun, opaque, bare) = (None, false, false, false);
        let (read_since_write, blocked) = (false, false);
        let (turn, untouched, whole, streams) = (0, true, false, None);
        let turns = Turns {
            connection,
            attempt,
            turn,
            untouched,
            whole,
            begun,
            opaque,
            bare,
            read_since_write,
            blocked,
            streams,
            retirement: Retirement::default(),
            end,
        };
        Self { inner, turns }
    }

    pub(super) fn get_ref(&self) -> &T {
        &self.inner
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.turns.connection
    }
}

impl Turns {
    /// Before the first write of a turn: whose is it?
    ///
    /// # Errors
    /// Nothing may go out of a request that was already said to be unsent, and nothing where TLS is due but missing.
    fn before_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.begun && !bytes.is_empty() {
            self.begun = true;
            self.opaque = bytes.first() == Some(&TLS_HANDSHAKE);
            if self.opaque {
                self.connection.set_opaque();
                return Ok(());
            }
            self.bare = self.connection.setup().awaits_tls();
            let http2 = bytes.starts_with(HTTP2_PREFACE);
            self.connection.set_protocol(if http2 { Protocol::Http2 } else { Protocol::Http1 });
            self.streams = http2.then(|| Box::new(Streams::new()));
            if self.streams.is_none() {
                self.begin_turn(Attempt::take_offered());
            }
        } else if self.streams.is_none() && self.read_since_write && !self.blocked && !self.opaque {
            self.begin_next_turn();
        }
        if self.bare {
            return Err(NoTlsError::refusal());
        }
        let refuses = |weak: &WeakAttempt| !weak.upgrade().is_some_and(|attempt| attempt.claim_write());
        if self.untouched && self.attempt.as_ref().is_some_and(refuses) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        Ok(())
    }

    /// A write after a read begins a turn, unless an upload goes on behind an early answer, or the bytes are
    /// no HTTP any more.
    fn begin_next_turn(&mut self) {
        let uploading = || self.attempt().is_some_and(|attempt| !attempt.is_request_done());
        match Attempt::take_offered() {
            None if self.connection.is_upgraded() || uploading() => {}
            offered => self.begin_turn(offered),
        }
    }

    fn begin_turn(&mut self, offered: Option<Attempt>) {
        self.read_since_write = false;
        (self.untouched, self.whole) = (true, false);
        self.turn += 1;
        // One that has a connection is offered by mistake: HTTP/2 asks for the body too.
        let mine = |attempt: &Attempt| {
            attempt.origin() == self.connection.origin() && attempt.connection().is_none()
        };
        let sending = |attempt: &Attempt| attempt.begin_send(&self.connection, Instant::now());
        let offered = offered.filter(mine);
        let there = offered.as_ref().is_some_and(sending);
        // One that is over may have been said to be unsent: the write will ask it.
        self.attempt = offered.filter(|attempt| there || attempt.is_sealed()).map(|one| one.downgrade());
        if !there {
            self.connection.begin_unknown_use();
        }
    }

    fn attempt(&self) -> Option<Attempt> {
        self.attempt.as_ref().and_then(WeakAttempt::upgrade)
    }

    fn written(&mut self, result: &Poll<io::Result<usize>>, bufs: &[io::IoSlice<'_>]) {
        self.blocked = result.is_pending();
        match result {
            Poll::Pending => {
                if let Some(attempt) = self.attempt() {
                    if self.untouched {
                        attempt.unclaim_write();
                    }
                    attempt.blocked();
                }
            }
            Poll::Ready(Ok(bytes)) => {
                let at = Instant::now();
                self.connection.count_written(*bytes, at);
                if let Some(attempt) = self.attempt() {
                    attempt.written(*bytes as u64, at);
                }
                self.sent(*bytes, bufs, at);
            }
            Poll::Ready(Err(error)) => {
                if let Some(attempt) = self.attempt() {
                    attempt.write_failed();
                }
                self.failed(error);
            }
        }
        self.untouched &= result.is_pending();
        self.whole &= result.is_pending();
    }

    /// On HTTP/2, the streams that what was written opens or resets.
    fn sent(&mut self, mut written: usize, bufs: &[io::IoSlice<'_>], at: Instant) {
        let Some(streams) = &mut self.streams else { return };
        for buf in bufs {
            let (bytes, _) = buf.split_at(written.min(buf.len()));
            written -= bytes.len();
            streams.sent(bytes, |change| match change {
                Change::Opened => self.connection.begin_stream(),
                Change::Closed => self.connection.end_stream(at),
                Change::GoAway => {}
                Change::Excluded { after } => self.connection.excludes_after(after),
            });
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.end.end_of_file = true;
            self.connection.leave_pool();
            return;
        }
        let at = Instant::now();
        self.connection.count_read(bytes.len(), at);
        if let Some(streams) = &mut self.streams {
            self.retirement.heard |= self.connection.is_retired();
            streams.received(bytes, |change| match change {
                Change::Opened => self.connection.begin_stream(),
                Change::Closed => self.connection.end_stream(at),
                Change::GoAway => self.connection.go_away(),
                Change::Excluded { after } => self.connection.excludes_after(after),
            });
        } else if !self.read_since_write && !is_interim(bytes) {
            self.read_since_write = true;
            if let Some(attempt) = self.attempt() {
                attempt.first_byte(at, self.blocked);
            }
        } else if self.connection.is_answered(self.turn) {
            // Nobody has asked: hyper closes the connection.
            self.connection.hint(CloseHint::ProtocolError);
        }
    }

    /// hyper flushes when it has written all that it had.
    fn flushed(&mut self, result: &Poll<io::Result<()>>) {
        match result {
            // TLS has taken what the peer does not take.
            Poll::Pending => {
                if let Some(attempt) = self.attempt().filter(|_| !self.untouched && !self.whole) {
                    attempt.blocked();
                }
            }
            Poll::Ready(Ok(())) if self.untouched || self.blocked || self.whole => {}
            Poll::Ready(Ok(())) => {
                if let Some(attempt) = self.attempt() {
                    attempt.unblocked();
                    self.whole = attempt.flushed();
                }
            }
            Poll::Ready(Err(error)) => self.failed(error),
        }
    }

    /// Whether it is HTTP/2 and the client is to open no further stream.
    fn is_retired(&self) -> bool {
        self.streams.is_some() && self.connection.is_retired()
    }

    /// Gives the client a piece of our GOAWAY; `false` where there is none to give.
    fn say_goaway(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Self { streams: Some(streams), retirement, connection, blocked, .. } = self else { return false };
        connection.is_retired() && retirement.say_goaway(streams, connection, *blocked, buf)
    }

    /// Nothing is there to be read.
    fn waits(&mut self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(streams) = &self.streams else { return Poll::Pending };
        let between = streams.is_between_frames();
        self.retirement.wait(&self.connection, cx);
        // It may have been retired before it was known whom to wake.
        if self.say_goaway(buf) {
            return Poll::Ready(Ok(()));
        }
        match self.is_retired() && !between && !self.retirement.heard {
            true => Poll::Ready(Err(stuck())),
            false => Poll::Pending,
        }
    }

    /// A retired connection whose peer takes no byte either is lost.
    fn or_stuck<R>(&mut self, result: Poll<io::Result<R>>, cx: &Context<'_>) -> Poll<io::Result<R>> {
        if result.is_ready() || self.streams.is_none() {
            return result;
        }
        self.retirement.wait(&self.connection, cx);
        if self.is_retired() && !self.retirement.heard { Poll::Ready(Err(stuck())) } else { result }
    }

    fn failed(&mut self, error: &io::Error) {
        self.connection.leave_pool();
        let kind = Failure::of(error).kind();
        // A peer that closes without a TLS goodbye, or resets, has closed all the same.
        if kind == Kind::ResponseEnded {
            self.end.end_of_file = true;
        } else if !self.end.end_of_file {
            self.end.error.get_or_insert(kind);
        }
    }
}

/// An interim response is not the answer (RFC 9110, section 15.2); 101 is the last of its kind.
fn is_interim(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 1") && !bytes.starts_with(b"HTTP/1.1 101")
}

impl Drop for Turns {
    fn drop(&mut self) {
        let open = self.streams.as_ref().map_or(0, |streams| streams.open());
        self.connection.forget_reader();
        self.connection.io_gone(self.end, open as u64, Instant::now());
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Meter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turns.say_goaway(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let had_room = buf.remaining() > 0;
        let Poll::Ready(result) = Pin::new(&mut self.inner).poll_read(cx, buf) else {
            let result = self.turns.waits(cx, buf);
            if let Poll::Ready(Err(error)) = &result {
                self.turns.failed(error);
            }
            return result;
        };
        match &result {
            Ok(()) if had_room => self.turns.read(&buf.filled()[before..]),
            Ok(()) => {}
            Err(error) => self.turns.failed(error),
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Meter<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.turns.before_write(buf)?;
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        let result = self.turns.or_stuck(result, cx);
        self.turns.written(&result, &[io::IoSlice::new(buf)]);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.turns.before_write(bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf))?;
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        let result = self.turns.or_stuck(result, cx);
        self.turns.written(&result, bufs);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        let result = self.turns.or_stuck(result, cx);
        self.turns.flushed(&result);
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(cx);
        let result = self.turns.or_stuck(result, cx);
        self.turns.flushed(&result);
        result
    }
}
