//! Shows the bytes of a connection to its [`Traffic`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::traffic::Traffic;
use crate::record::Connection;

/// Wraps tokio's IO traits: only there a wrapper sees what a read has filled.
#[derive(Debug)]
pub(super) struct Meter<T> {
    inner: T,
    traffic: Traffic,
}

impl<T> Meter<T> {
    pub(super) const fn new(inner: T, traffic: Traffic) -> Self {
        Self { inner, traffic }
    }

    pub(super) fn get_ref(&self) -> &T {
        &self.inner
    }

    pub(super) fn connection(&self) -> &Connection {
        self.traffic.connection()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Meter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.traffic.is_closing() || self.traffic.inject_goaway(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let had_room = buf.remaining() > 0;
        let Poll::Ready(result) = Pin::new(&mut self.inner).poll_read(cx, buf) else {
            return self.traffic.read_pending(cx, buf);
        };
        match &result {
            Ok(()) if had_room => self.traffic.read(&buf.filled()[before..]),
            Ok(()) => {}
            Err(error) => self.traffic.read_failed(error),
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> Meter<T> {
    /// One write of all buffers that the inner IO takes.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.traffic.before_write(bufs)?;
        let mut result = write(Pin::new(&mut self.inner), cx);
        if result.is_pending() {
            result = self.traffic.write_pending(cx);
        }
        self.traffic.written(&result, bufs);
        result
    }

    /// A flush or a shutdown.
    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        flush: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let mut result = flush(Pin::new(&mut self.inner), cx);
        if result.is_pending() {
            result = self.traffic.write_pending(cx);
        }
        self.traffic.flushed(&result);
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Meter<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, &[io::IoSlice::new(buf)], |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, bufs, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush(cx, AsyncWrite::poll_shutdown)
    }
}
