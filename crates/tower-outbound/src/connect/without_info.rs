use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

/// The IO of a connector that does not implement hyper-util's [`Connection`], for [`Track`](super::Track), which asks for it:
/// the connection then has neither addresses nor a protocol chosen by ALPN.
///
/// tonic and hyper's `handshake` take such IO; hyper-util's client does not. The trait is where a connector says which addresses
/// it has connected, and that TLS has chosen HTTP/2. Implement it for an IO that knows them.
///
/// # Example
/// ```
/// use hyper_util::rt::TokioIo;
/// use tower::service_fn;
/// use tower_outbound::Outbound;
/// use tower_outbound::connect::WithoutInfo;
///
/// let in_memory = service_fn(|_: http::Uri| async {
///     let (ours, _theirs) = tokio::io::duplex(4096);
///     Ok::<_, std::io::Error>(WithoutInfo::new(TokioIo::new(ours)))
/// });
/// let connector = Outbound::new().connector(in_memory);
/// # fn check<S: tower::Service<http::Uri>>(_: S) {}
/// # check(connector);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WithoutInfo<T> {
    io: T,
}

impl<T> WithoutInfo<T> {
    /// Wraps an IO.
    pub const fn new(io: T) -> Self {
        Self { io }
    }

    /// The inner IO.
    pub const fn get_ref(&self) -> &T {
        &self.io
    }

    /// The inner IO, mutably.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Returns the inner IO.
    pub fn into_inner(self) -> T {
        self.io
    }
}

impl<T> Connection for WithoutInfo<T> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<T: Read + Unpin> Read for WithoutInfo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for WithoutInfo<T> {
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
