//! Counts the bytes of a connection, and finds the turns of HTTP/1 and the streams of HTTP/2 in them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::streams::{StreamChange, Streams};
use crate::error::NoTlsError;
use crate::failure::{Failure, Kind};
use crate::foreign::{GoAwayInjection, LastStream, silent_error, take_handed_off};
use crate::record::{Attempt, CloseHint, Connection, IoEnd, Protocol, WeakAttempt};

/// The first bytes of an HTTP/2 connection (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// The first byte of a TLS connection: a record of its handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Wraps tokio's IO traits: only there a wrapper sees what a read has filled.
#[derive(Debug)]
pub(super) struct Meter<T> {
    inner: T,
    traffic: Traffic,
}

/// What the bytes that pass show of a connection.
#[derive(Debug)]
struct Traffic {
    connection: Connection,
    /// The attempt whose request is written (HTTP/1).
    attempt: Option<WeakAttempt>,
    /// The number of the use of the connection, counted from 1.
    turn: u64,
    /// No write of this turn has returned yet.
    untouched: bool,
    /// The whole request was written and flushed, and nothing was written since.
    complete: bool,
    begun: bool,
    /// TLS runs above.
    opaque: bool,
    /// TLS should run above and does not: nothing is written.
    lacks_tls: bool,
    read_since_write: bool,
    /// The last write was pending: the request is not wholly written.
    blocked: bool,
    streams: Option<Box<Streams>>,
    injection: GoAwayInjection,
    end: IoEnd,
}

impl<T> Meter<T> {
    pub(super) fn new(inner: T, connection: Connection) -> Self {
        let traffic = Traffic {
            connection,
            attempt: None,
            turn: 0,
            untouched: true,
            complete: false,
            begun: false,
            opaque: false,
            lacks_tls: false,
            read_since_write: false,
            blocked: false,
            streams: None,
            injection: GoAwayInjection::default(),
            end: IoEnd::default(),
        };
        Self { inner, traffic }
    }

    pub(super) fn get_ref(&self) -> &T {
        &self.inner
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.traffic.connection
    }
}

impl Traffic {
    /// Finds the attempt before the first write of a turn.
    ///
    /// # Errors
    /// The request was reported as unsent, or TLS is missing: nothing may be written.
    fn before_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.begun && !bytes.is_empty() {
            self.begun = true;
            self.opaque = bytes.first() == Some(&TLS_HANDSHAKE);
            if self.opaque {
                self.connection.io().set_opaque();
                return Ok(());
            }
            self.lacks_tls = self.connection.setup().awaits_tls();
            let http2 = bytes.starts_with(HTTP2_PREFACE);
            self.connection.io().set_protocol(if http2 { Protocol::Http2 } else { Protocol::Http1 });
            self.streams = http2.then(|| Box::new(Streams::new()));
            if self.streams.is_none() {
                self.begin_turn(take_handed_off());
            }
        } else if self.streams.is_none() && self.read_since_write && !self.blocked && !self.opaque {
            self.begin_next_turn();
        }
        if self.lacks_tls {
            return Err(NoTlsError::refusal());
        }
        let refuses =
            |weak: &WeakAttempt| !weak.upgrade().is_some_and(|attempt| attempt.io().try_begin_write());
        if self.untouched && self.attempt.as_ref().is_some_and(refuses) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        Ok(())
    }

    /// A write after a read begins a turn, unless an upload goes on after an early response, or the connection is upgraded.
    fn begin_next_turn(&mut self) {
        let uploading = || self.attempt().is_some_and(|attempt| !attempt.io().is_request_complete());
        match take_handed_off() {
            None if self.connection.io().is_upgraded() || uploading() => {}
            handed_off => self.begin_turn(handed_off),
        }
    }

    fn begin_turn(&mut self, handed_off: Option<Attempt>) {
        self.read_since_write = false;
        (self.untouched, self.complete) = (true, false);
        self.turn += 1;
        // An attempt that has a connection was not handed off to this one: HTTP/2 asks for the body too.
        let mine = |attempt: &Attempt| {
            attempt.origin() == self.connection.origin() && attempt.connection().is_none()
        };
        let sending = |attempt: &Attempt| attempt.io().begin_request(&self.connection, Instant::now());
        let handed_off = handed_off.filter(mine);
        let live = handed_off.as_ref().is_some_and(sending);
        // Keep an ended attempt if it was reported as unsent, so that `before_write` refuses the write.
        let kept = handed_off.filter(|attempt| live || attempt.io().reported_not_sent());
        self.attempt = kept.as_ref().map(WeakAttempt::new);
        if !live {
            self.connection.io().record_foreign_use();
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
                        attempt.io().undo_begin_write();
                    }
                    attempt.io().blocked();
                }
            }
            Poll::Ready(Ok(bytes)) => {
                let at = Instant::now();
                self.connection.io().count_written(*bytes, at);
                if let Some(attempt) = self.attempt() {
                    attempt.io().written(*bytes as u64, at);
                }
                self.sent(*bytes, bufs, at);
            }
            Poll::Ready(Err(error)) => {
                if let Some(attempt) = self.attempt() {
                    attempt.io().write_failed();
                }
                self.failed(error);
            }
        }
        self.untouched &= result.is_pending();
        self.complete &= result.is_pending();
    }

    /// The streams that the written bytes open or reset (HTTP/2).
    fn sent(&mut self, mut written: usize, bufs: &[io::IoSlice<'_>], at: Instant) {
        let Some(streams) = &mut self.streams else { return };
        for buf in bufs {
            let (bytes, _) = buf.split_at(written.min(buf.len()));
            written -= bytes.len();
            streams.sent(bytes, |change| match change {
                StreamChange::Opened => self.connection.io().begin_stream(),
                StreamChange::Closed => self.connection.io().end_stream(at),
                StreamChange::GoAway => {}
                StreamChange::Excluded { after } => self.connection.io().exclude_after(after),
            });
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.end.end_of_file = true;
            self.connection.io().leave_pool();
            return;
        }
        let at = Instant::now();
        self.connection.io().count_read(bytes.len(), at);
        if let Some(streams) = &mut self.streams {
            self.injection.received_since |= self.connection.io().is_retired();
            streams.received(bytes, |change| match change {
                StreamChange::Opened => self.connection.io().begin_stream(),
                StreamChange::Closed => self.connection.io().end_stream(at),
                StreamChange::GoAway => self.connection.io().goaway_received(),
                StreamChange::Excluded { after } => self.connection.io().exclude_after(after),
            });
        } else if !self.read_since_write && !is_interim(bytes) {
            self.read_since_write = true;
            if let Some(attempt) = self.attempt() {
                attempt.io().first_byte(at, self.blocked);
            }
        } else if self.connection.io().is_response_complete(self.turn) {
            // Bytes without a request: hyper closes the connection.
            self.connection.io().hint(CloseHint::ProtocolError);
        }
    }

    /// hyper flushes when it has written everything.
    fn flushed(&mut self, result: &Poll<io::Result<()>>) {
        match result {
            // TLS has accepted bytes that the socket does not.
            Poll::Pending => {
                if let Some(attempt) = self.attempt().filter(|_| !self.untouched && !self.complete) {
                    attempt.io().blocked();
                }
            }
            Poll::Ready(Ok(())) if self.untouched || self.blocked || self.complete => {}
            Poll::Ready(Ok(())) => {
                if let Some(attempt) = self.attempt() {
                    attempt.io().unblocked();
                    self.complete = attempt.io().flushed();
                }
            }
            Poll::Ready(Err(error)) => self.failed(error),
        }
    }

    /// Whether this is an HTTP/2 connection that the client must not use for further requests.
    fn is_retired(&self) -> bool {
        self.streams.is_some() && self.connection.io().is_retired()
    }

    /// Lets the client read a piece of an injected GOAWAY; `false` if none is due.
    fn inject_goaway(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Self { streams: Some(streams), injection, connection, blocked, .. } = self else { return false };
        let last = || {
            let id = streams.last_opened();
            // What the client could not write yet may still be written.
            let sequence = streams.sequence_of(id).filter(|_| !*blocked);
            let possible = streams.is_between_frames() && !streams.peer_goes_away();
            possible.then_some(LastStream { id, sequence })
        };
        connection.io().is_retired() && injection.inject(connection, last, buf)
    }

    /// A read is pending.
    fn read_pending(&mut self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(streams) = &self.streams else { return Poll::Pending };
        let between = streams.is_between_frames();
        self.injection.wait(&self.connection, cx);
        // The connection may have been retired before it had the waker.
        if self.inject_goaway(buf) {
            return Poll::Ready(Ok(()));
        }
        match self.is_retired() && !between && !self.injection.received_since {
            true => Poll::Ready(Err(silent_error())),
            false => Poll::Pending,
        }
    }

    /// A retired connection whose peer accepts no byte either is lost.
    fn or_silent_error<R>(&mut self, result: Poll<io::Result<R>>, cx: &Context<'_>) -> Poll<io::Result<R>> {
        if result.is_ready() || self.streams.is_none() {
            return result;
        }
        self.injection.wait(&self.connection, cx);
        if self.is_retired() && !self.injection.received_since {
            Poll::Ready(Err(silent_error()))
        } else {
            result
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.connection.io().leave_pool();
        let kind = Failure::of(error).kind();
        // A peer that closes without `close_notify`, or resets, has closed.
        if kind == Kind::ResponseEnded {
            self.end.end_of_file = true;
        } else if !self.end.end_of_file {
            self.end.error.get_or_insert(kind);
        }
    }
}

/// An interim response is not the final one (RFC 9110, section 15.2), except 101.
fn is_interim(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 1") && !bytes.starts_with(b"HTTP/1.1 101")
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let open = self.streams.as_ref().map_or(0, |streams| streams.open());
        self.connection.io().set_reader(None);
        self.connection.io().closed(self.end, open as u64, Instant::now());
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Meter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.traffic.inject_goaway(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let had_room = buf.remaining() > 0;
        let Poll::Ready(result) = Pin::new(&mut self.inner).poll_read(cx, buf) else {
            let result = self.traffic.read_pending(cx, buf);
            if let Poll::Ready(Err(error)) = &result {
                self.traffic.failed(error);
            }
            return result;
        };
        match &result {
            Ok(()) if had_room => self.traffic.read(&buf.filled()[before..]),
            Ok(()) => {}
            Err(error) => self.traffic.failed(error),
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Meter<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.traffic.before_write(buf)?;
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        let result = self.traffic.or_silent_error(result, cx);
        self.traffic.written(&result, &[io::IoSlice::new(buf)]);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.traffic.before_write(bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf))?;
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        let result = self.traffic.or_silent_error(result, cx);
        self.traffic.written(&result, bufs);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        let result = self.traffic.or_silent_error(result, cx);
        self.traffic.flushed(&result);
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(cx);
        let result = self.traffic.or_silent_error(result, cx);
        self.traffic.flushed(&result);
        result
    }
}
