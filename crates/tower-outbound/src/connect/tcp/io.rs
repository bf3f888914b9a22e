use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long an answer of the system counts: hyper polls an idle connection three times around each response. Less than a
/// peer's close takes to arrive.
const FRESH: Duration = Duration::from_micros(50);

/// Bytes that one direct read takes.
const DIRECT_READ: usize = 64;

/// A TCP connection of a [`TcpConnector`](crate::connect::TcpConnector).
///
/// Like tokio's `TcpStream`, except that a read on an idle connection, new or used, also asks the system, not only the
/// runtime, unless the system has answered within the last 50 µs. The runtime learns late that a peer has closed the
/// connection. A request would then be written to a dead connection, and whether it was processed would be unknown.
pub struct TcpIo {
    stream: TokioIo<TcpStream>,
    /// Bytes were read after the last write, or nothing was written yet.
    answered: bool,
    /// The last read found nothing.
    read_pending: bool,
    /// Until when the last answer of the system counts.
    fresh_until: Option<Instant>,
}

impl TcpIo {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: TokioIo::new(stream), answered: true, read_pending: false, fresh_until: None }
    }

    /// Returns a reference to tokio's stream.
    #[must_use]
    pub fn inner(&self) -> &TcpStream {
        self.stream.inner()
    }

    /// Returns tokio's stream.
    #[must_use]
    pub fn into_inner(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Reads from the system directly. Returns `None` if there is nothing to read.
    fn read_directly(&self, buf: &mut ReadBufCursor<'_>) -> Option<io::Result<()>> {
        let socket = SockRef::from(self.stream.inner());
        let mut bytes = [0; DIRECT_READ];
        let capacity = bytes.len().min(buf.remaining());
        match (&*socket).read(&mut bytes[..capacity]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Err(error) => Some(Err(error)),
            Ok(count) => {
                buf.put_slice(&bytes[..count]);
                Some(Ok(()))
            }
        }
    }
}

impl Read for TcpIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // If the runtime knows of something to read, the normal path reads it.
        let idle = self.answered && self.read_pending && buf.remaining() > 0;
        if idle && self.stream.inner().poll_read_ready(cx).is_pending() {
            let now = Instant::now();
            if self.fresh_until.is_some_and(|until| now < until) {
                return Poll::Pending;
            }
            self.fresh_until = Some(now + FRESH);
            let read = self.read_directly(&mut buf);
            self.read_pending = read.is_none();
            return read.map_or(Poll::Pending, Poll::Ready);
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read_pending = polled.is_pending();
        if polled.is_ready() {
            (self.answered, self.fresh_until) = (true, Some(Instant::now() + FRESH));
        }
        polled
    }
}

impl Write for TcpIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.answered = false;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answered = false;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connection for TcpIo {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl fmt::Debug for TcpIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpIo").field(self.inner()).finish()
    }
}
