//! The IO of a tracked connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as Connect};
use hyper_util::rt::TokioIo;

use super::meter::Meter;
use super::traffic::Traffic;
use crate::record::Connection;

/// The IO of a tracked connection: forwards each call and counts the bytes.
///
/// No copy and no allocation per read or write.
///
/// # Upgrades
/// An upgraded connection gives it back, with the bytes that hyper has read ahead:
/// `upgraded.downcast::<TrackedIo<T>>()?` of `hyper::upgrade::Upgraded`, where `T` is the connector's own IO.
///
/// # Cancel safety
/// Dropping it drops the inner IO, which closes the connection.
#[derive(Debug)]
pub struct TrackedIo<T> {
    // Boxed: a client moves the IO of a new connection a dozen times, and that of a TLS connection has over a kilobyte.
    io: Box<TokioIo<Meter<TokioIo<T>>>>,
}

impl<T> TrackedIo<T> {
    pub(super) fn new(io: T, traffic: Traffic) -> Self {
        Self { io: Box::new(TokioIo::new(Meter::new(TokioIo::new(io), traffic))) }
    }

    /// The record of this connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.io.inner().connection()
    }

    /// The inner IO.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        self.io.inner().get_ref().inner()
    }

    /// The inner IO, mutably. What is read or written there is not counted.
    pub fn get_mut(&mut self) -> &mut T {
        self.io.inner_mut().get_mut().inner_mut()
    }

    /// Returns the inner IO. The record of this connection ends, as after a close: of an upgraded connection with
    /// [`CloseReason::Upgraded`](crate::connect::CloseReason::Upgraded).
    #[must_use]
    pub fn into_inner(self) -> T {
        self.io.into_inner().into_inner().into_inner()
    }
}

impl<T: Connect> Connect for TrackedIo<T> {
    /// The inner IO's value, with the [`Connection`] added: the client inserts it into each response.
    fn connected(&self) -> Connected {
        self.get_ref().connected().extra(self.connection().clone())
    }
}

impl<T: Read + Unpin> Read for TrackedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for TrackedIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
