//! What the bytes that pass show of a connection.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::guard::{ClientWatch, StallGuard};
use super::http2::Http2;
use super::idle::IdleDeadline;
use super::turns::Turns;
use super::uploads::Rest;
use crate::error::NoTlsError;
use crate::failure::{Failure, Kind};
use crate::foreign::ExecutorId;
use crate::record::{CloseHint, Connection, IoEnd, Protocol};

/// The first bytes of an HTTP/2 connection (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// The first byte of a TLS connection: a record of its handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// What the bytes that pass show of a connection.
#[derive(Debug)]
pub(super) struct Traffic {
    connection: Connection,
    /// Spawns the tasks of the connection.
    executor: Option<ExecutorId>,
    content: Content,
    /// The bytes go to a socket as they are: a write that fails has sent nothing.
    plain: bool,
    /// TLS should run above and does not: nothing is written.
    lacks_tls: bool,
    idle: IdleDeadline,
    guard: StallGuard,
    /// The idle connection is closed: the client reads an end of file and writes nothing.
    closing: bool,
    end: IoEnd,
}

/// What the written bytes are.
#[derive(Debug)]
enum Content {
    /// Nothing was written.
    Unknown,
    /// TLS runs above.
    Opaque,
    Http1(Turns),
    Http2(Box<Http2>),
}

impl Traffic {
    /// `plain`: the IO is a socket.
    pub(super) fn new(
        connection: Connection,
        plain: bool,
        executor: Option<ExecutorId>,
        idle_timeout: Duration,
        client: ClientWatch,
    ) -> Self {
        Self {
            connection,
            executor,
            content: Content::Unknown,
            plain,
            lacks_tls: false,
            idle: IdleDeadline::new(idle_timeout),
            guard: StallGuard::new(client),
            closing: false,
            end: IoEnd::default(),
        }
    }

    #[inline]
    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Finds the attempt before the first write of a turn, and claims the write of its request. `reaches`: the write is given
    /// to the inner IO.
    ///
    /// # Errors
    /// The attempt has failed, or is about to, TLS is missing, or the connection is closed: nothing may be written.
    pub(super) fn before_write(&mut self, bufs: &[io::IoSlice<'_>], reaches: bool) -> io::Result<()> {
        if self.closing {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let bytes = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        match &mut self.content {
            Content::Unknown if !bytes.is_empty() => self.begin(bytes),
            Content::Http1(turns) => turns.begin_next(&self.connection),
            Content::Unknown | Content::Opaque | Content::Http2(_) => {}
        }
        if self.lacks_tls {
            return Err(NoTlsError::refusal());
        }
        match &mut self.content {
            Content::Http1(turns) => turns.claim(bufs.iter().map(|buf| buf.len() as u64).sum()),
            Content::Http2(http2) if reaches && self.end.has_ended() && http2.would_open(bufs) => {
                http2.refused(&self.connection, bufs);
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Content::Unknown | Content::Opaque | Content::Http2(_) => Ok(()),
        }
    }

    /// Claims the flush of a request.
    ///
    /// # Errors
    /// The attempt has failed: nothing more of its request may be written.
    #[inline]
    pub(super) fn before_flush(&mut self) -> io::Result<()> {
        match &mut self.content {
            Content::Http1(turns) => turns.claim(0),
            Content::Unknown | Content::Opaque | Content::Http2(_) => Ok(()),
        }
    }

    /// Whether what can be read may answer what was written.
    pub(super) fn may_have_been_answered(&self) -> bool {
        match &self.content {
            Content::Http1(turns) => turns.is_touched(),
            Content::Http2(http2) => http2.has_sent_request(),
            Content::Opaque => true,
            Content::Unknown => false,
        }
    }

    /// Whether the client waits for a caller that has the response and reads it (HTTP/1). The task is then woken when the
    /// attempt ends.
    pub(super) fn waits_for_reader(&self, cx: &Context<'_>) -> bool {
        let Content::Http1(turns) = &self.content else { return false };
        if !turns.is_response_read(&self.connection) {
            return false;
        }
        self.connection.io().wake_at_end(cx.waker().clone());
        turns.is_response_read(&self.connection)
    }

    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The first bytes of the connection.
    fn begin(&mut self, bytes: &[u8]) {
        let io = self.connection.io();
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            io.set_opaque();
            self.content = Content::Opaque;
            return;
        }
        self.lacks_tls = self.connection.setup().awaits_tls();
        self.content = if bytes.starts_with(HTTP2_PREFACE) {
            io.set_protocol(Protocol::Http2);
            Content::Http2(Box::new(Http2::new(self.executor)))
        } else {
            io.set_protocol(Protocol::Http1);
            Content::Http1(Turns::first(&self.connection))
        };
    }

    /// `reached`: the write was given to the inner IO.
    pub(super) fn written(
        &mut self,
        result: &Poll<io::Result<usize>>,
        bufs: &[io::IoSlice<'_>],
        reached: bool,
    ) {
        let at = Instant::now();
        if result.is_ready() {
            self.guard.progressed();
        }
        if let Poll::Ready(Ok(bytes)) = result {
            self.connection.io().count_written(*bytes, at);
        }
        match &mut self.content {
            Content::Http1(turns) => {
                let of_system = matches!(result, Poll::Ready(Err(error)) if error.raw_os_error().is_some());
                let lost = reached && !(self.plain && of_system);
                turns.written(result, lost, at);
            }
            Content::Http2(http2) => http2.written(&self.connection, result, bufs, at),
            Content::Unknown | Content::Opaque => {}
        }
    }

    /// A flush, or a shutdown.
    #[inline]
    pub(super) fn flushed(&mut self, cx: &Context<'_>, result: &Poll<io::Result<()>>) {
        if result.is_ready() {
            self.guard.progressed();
        }
        if let Content::Http1(turns) = &mut self.content {
            // hyper takes the connection for idle when the response has ended and it has the whole upload. While the upload is
            // not written, it asks for no other request, and once it is written nothing else makes it ask.
            if turns.flushed(result) {
                cx.waker().wake_by_ref();
            }
        }
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.end.end_of_file = true;
            self.connection.io().open_no_stream();
            self.connection.io().leave_pool();
            self.read_ended();
            return;
        }
        let at = Instant::now();
        self.connection.io().count_read(bytes.len(), at);
        match &mut self.content {
            Content::Http1(turns) => turns.read(&self.connection, bytes, at),
            Content::Http2(http2) => http2.read(&self.connection, bytes, at),
            Content::Unknown | Content::Opaque => {}
        }
    }

    /// Lets the client read a piece of an injected frame; `false` if none is due.
    #[inline]
    pub(super) fn inject(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        match &mut self.content {
            Content::Http2(http2) => http2.inject(&self.connection, buf),
            Content::Unknown | Content::Opaque | Content::Http1(_) => false,
        }
    }

    /// A frame of this layer that is to be written now. `flushes`: the client has written everything that it had.
    #[inline]
    pub(super) fn unwritten(&self, flushes: bool) -> Option<Rest> {
        match &self.content {
            Content::Http2(http2) => http2.unwritten(flushes),
            Content::Unknown | Content::Opaque | Content::Http1(_) => None,
        }
    }

    /// These bytes of that frame were written.
    pub(super) fn wrote_own(&mut self, bytes: &[u8]) {
        let at = Instant::now();
        self.guard.progressed();
        self.connection.io().count_written(bytes.len(), at);
        if let Content::Http2(http2) = &mut self.content {
            http2.wrote_own(&self.connection, bytes, at);
        }
    }

    /// A read is pending.
    #[inline]
    pub(super) fn read_pending(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { connection, content, idle, .. } = self;
        let result = match content {
            Content::Http2(_) if connection.io().is_cut() => Poll::Ready(Err(cut_error())),
            Content::Http2(http2) => {
                if http2.goes_on(connection) && idle.poll(connection, cx) && http2.may_retire() {
                    connection.io().retire_idle();
                }
                let read = http2.read_pending(connection, cx, buf);
                let retired = read.is_pending() && connection.io().is_retired() && http2.open() == 0;
                self.closing = retired && idle.poll_retired(connection, cx);
                if self.closing { Poll::Ready(Ok(())) } else { read }
            }
            Content::Http1(turns) if turns.may_be_idle() => {
                self.closing = idle.poll_close(connection, cx);
                if self.closing { Poll::Ready(Ok(())) } else { Poll::Pending }
            }
            // hyper takes the end of file on an unused connection for an error, which a first request may meet.
            Content::Unknown | Content::Opaque | Content::Http1(_) => match connection.io().is_cut() {
                true => Poll::Ready(Err(cut_error())),
                false => Poll::Pending,
            },
        };
        if let Poll::Ready(Err(error)) = &result {
            self.failed(error);
        }
        result
    }

    /// A write, a flush or a shutdown is pending.
    pub(super) fn write_pending<R>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let Self { connection, content, guard, .. } = self;
        let guarded = match content {
            Content::Unknown | Content::Http2(_) => true,
            Content::Http1(turns) => turns.are_observed(),
            // Neither its requests nor its streams are visible.
            Content::Opaque => false,
        };
        if guarded {
            guard.pending(connection, cx)?;
        }
        match content {
            Content::Http2(http2) => http2.write_pending(connection, cx),
            Content::Unknown | Content::Opaque | Content::Http1(_) => Poll::Pending,
        }
    }

    /// A read has failed.
    pub(super) fn read_failed(&mut self, error: &io::Error) {
        self.failed(error);
        self.read_ended();
    }

    fn read_ended(&mut self) {
        if let Content::Http1(turns) = &mut self.content {
            turns.read_ended();
        }
    }

    /// A read, a write or a flush has failed.
    pub(super) fn failed(&mut self, error: &io::Error) {
        self.connection.io().leave_pool();
        let failure = Failure::of(error);
        let kind = failure.kind();
        self.connection.io().failed(failure);
        // A peer that closes without `close_notify`, or resets, has closed.
        if kind == Kind::ResponseEnded {
            self.end.end_of_file = true;
        } else if !self.end.end_of_file {
            self.end.error.get_or_insert(kind);
        }
        self.connection.io().open_no_stream();
    }
}

/// The error of a read on a connection that a reset has ended, although the peer owes an answer.
fn cut_error() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the connection was reset: its origin was silent, and other requests waited (see `pool.silent_after`)",
    )
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let (open, awaits_ping) = match &self.content {
            Content::Http2(http2) => (http2.open(), http2.awaits_ping()),
            Content::Unknown | Content::Opaque | Content::Http1(_) => (0, false),
        };
        if awaits_ping && !self.end.has_ended() {
            self.connection.io().hint(CloseHint::Silent);
        }
        self.connection.io().set_reader(None);
        self.connection.io().closed(self.end, open as u64, Instant::now());
    }
}
