use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;

/// How much of an unexpected message is read at once.
const UNEXPECTED: usize = 64;

/// A TCP connection of a [`TcpConnector`](crate::connect::TcpConnector).
///
/// It is tokio's, but for one thing: where a connection has been idle, it asks the system itself whether the peer has
/// closed it. The runtime may not have heard of that yet, so that a request would be written to a connection that is
/// known to be dead, and nobody could tell then whether it was processed.
pub struct TcpIo {
    stream: TokioIo<TcpStream>,
    /// It was read from, and not written to since.
    answered: bool,
    /// There was nothing to read the last time.
    waits: bool,
}

impl TcpIo {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: TokioIo::new(stream), answered: false, waits: false }
    }

    /// tokio's stream.
    #[must_use]
    pub fn inner(&self) -> &TcpStream {
        self.stream.inner()
    }

    /// tokio's stream.
    #[must_use]
    pub fn into_inner(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// What the peer has sent or done while the connection was idle; `None` if nothing.
    fn unexpected(&self, buf: &mut ReadBufCursor<'_>) -> Option<io::Result<()>> {
        let socket = SockRef::from(self.stream.inner());
        let mut bytes = [0; UNEXPECTED];
        let room = bytes.len().min(buf.remaining());
        match (&*socket).read(&mut bytes[..room]) {
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
        // Where the runtime knows of something to read, it reads as always.
        let idle = self.answered && self.waits && buf.remaining() > 0;
        if idle && self.stream.inner().poll_read_ready(cx).is_pending() {
            let unexpected = self.unexpected(&mut buf);
            self.waits = unexpected.is_none();
            return unexpected.map_or(Poll::Pending, Poll::Ready);
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.waits = polled.is_pending();
        self.answered |= polled.is_ready();
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
