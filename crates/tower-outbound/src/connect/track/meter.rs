//! Shows the bytes of a connection to its [`Traffic`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::traffic::Traffic;
use super::write_fault::{ReadEnd, WriteFault};
use crate::event::log;
use crate::record::Connection;

/// Wraps tokio's IO traits: only there a wrapper sees what a read has filled.
#[derive(Debug)]
pub(super) struct Meter<T> {
    inner: T,
    traffic: Traffic,
    /// A write has failed.
    fault: Option<Box<WriteFault>>,
    /// A read has found the end, or has failed.
    read_over: bool,
}

impl<T> Meter<T> {
    pub(super) const fn new(inner: T, traffic: Traffic) -> Self {
        Self { inner, traffic, fault: None, read_over: false }
    }

    pub(super) fn get_ref(&self) -> &T {
        &self.inner
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
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
        if self.traffic.is_closing() || self.traffic.inject(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let had_room = buf.remaining() > 0;
        let mut result = Pin::new(&mut self.inner).poll_read(cx, buf);
        // Most reads ask whether an idle connection has ended.
        if result.is_pending() && self.fault.is_none() {
            return self.traffic.read_pending(cx, buf);
        }
        let read = &buf.filled()[before..];
        match &result {
            Poll::Ready(Ok(())) if had_room => self.traffic.read(read),
            Poll::Ready(Ok(())) | Poll::Pending => {}
            Poll::Ready(Err(error)) => self.traffic.read_failed(error),
        }
        let end = match had_room && read.is_empty() {
            true if self.traffic.is_plain() => ReadEnd::OfSocket,
            true => ReadEnd::Announced,
            false => ReadEnd::None,
        };
        self.read_over |= matches!(&result, Poll::Ready(read) if read.is_err() || end != ReadEnd::None);
        if let Some(fault) = &mut self.fault {
            result = fault.read(cx, result, end);
        }
        if result.is_pending() {
            return self.traffic.read_pending(cx, buf);
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> Meter<T> {
    /// One write of all buffers that the inner IO takes.
    #[inline]
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let reached = self.fault.is_none();
        ready!(self.write_own(cx, false))?;
        self.traffic.before_write(bufs, reached)?;
        let result = self.unless_failed(cx, write);
        self.traffic.written(&result, bufs, reached);
        result
    }

    /// A flush or a shutdown.
    #[inline]
    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        flush: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        ready!(self.write_own(cx, true))?;
        self.traffic.before_flush()?;
        let result = self.unless_failed(cx, flush);
        self.traffic.flushed(cx, &result);
        result
    }

    /// Writes a frame of this layer, if one is due. `flushes`: the client has written everything that it had.
    #[inline]
    fn write_own(&mut self, cx: &mut Context<'_>, flushes: bool) -> Poll<io::Result<()>> {
        while let Some(rest) = self.traffic.unwritten(flushes) {
            let written = self.unless_failed(cx, |inner, cx| inner.poll_write(cx, rest.bytes()));
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                bytes => self.traffic.wrote_own(&rest.bytes()[..bytes]),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether there may be something to read that answers what was written.
    #[inline]
    fn may_read_on(&self) -> bool {
        !self.read_over && self.traffic.may_have_been_answered()
    }

    /// A write, flush or shutdown. None reaches the inner IO after one has failed.
    #[inline]
    fn unless_failed<R>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if self.fault.is_none() {
            let result = write(Pin::new(&mut self.inner), cx);
            let Poll::Ready(Err(error)) = &result else {
                return if result.is_pending() { self.traffic.write_pending(cx) } else { result };
            };
            self.traffic.failed(error);
            let held = WriteFault::is_of_peer(error) && self.may_read_on();
            self.fault = Some(Box::new(WriteFault::new(error, held)));
        }
        let may_read_on = self.may_read_on();
        let Some(fault) = &mut self.fault else { return Poll::Pending };
        if !may_read_on {
            fault.release();
        }
        match fault.write(cx, self.traffic.waits_for_reader(cx)) {
            Poll::Pending => self.traffic.write_pending(cx),
            result => result,
        }
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
        let result = self.flush(cx, AsyncWrite::poll_shutdown);
        if let Poll::Ready(Err(error)) = &result {
            log::error_while_closing(self.connection(), error);
        }
        result
    }
}
