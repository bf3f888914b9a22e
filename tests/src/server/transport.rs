//! The transport of a script: TCP or duplex, with or without TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(super) enum Raw {
    Tcp(TcpStream),
    /// With the flag that makes the client's end report a reset.
    Duplex(DuplexStream, Arc<AtomicBool>),
}

pub(super) enum Transport {
    Plain(Raw),
    Tls(Box<TlsStream<Raw>>),
}

impl Transport {
    /// Performs the handshake and returns the ALPN protocol.
    pub(super) async fn into_tls(self, config: Arc<ServerConfig>) -> io::Result<(Transport, Option<String>)> {
        let Transport::Plain(raw) = self else {
            return Err(io::Error::other("TLS inside TLS"));
        };
        let stream = TlsAcceptor::from(config).accept(raw).await?;
        let alpn = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        Ok((Transport::Tls(Box::new(stream)), alpn))
    }

    /// RST on TCP; on duplex the client's next read or write fails with `ConnectionReset`.
    pub(super) fn reset(self) {
        match self.raw() {
            // Fails only on a closed socket.
            Raw::Tcp(stream) => drop(stream.set_zero_linger()),
            Raw::Duplex(_, reset) => reset.store(true, Ordering::Release),
        }
    }

    fn raw(&self) -> &Raw {
        match self {
            Transport::Plain(raw) => raw,
            Transport::Tls(stream) => stream.get_ref().0,
        }
    }
}

macro_rules! forward {
    ($self:ident, $($variant:pat => $inner:ident),+; $io:ident => $call:expr) => {
        match $self.get_mut() { $($variant => { let $io = Pin::new($inner); $call })+ }
    };
}

impl AsyncRead for Raw {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, Raw::Tcp(s) => s, Raw::Duplex(s, _) => s; io => io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Raw {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, Raw::Tcp(s) => s, Raw::Duplex(s, _) => s; io => io.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, Raw::Tcp(s) => s, Raw::Duplex(s, _) => s; io => io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, Raw::Tcp(s) => s, Raw::Duplex(s, _) => s; io => io.poll_shutdown(cx))
    }

    // TLS writes its last record and the alert behind it in one call, or not at all.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, Raw::Tcp(s) => s, Raw::Duplex(s, _) => s; io => io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Raw::Tcp(stream) => stream.is_write_vectored(),
            Raw::Duplex(stream, _) => stream.is_write_vectored(),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, Transport::Plain(s) => s, Transport::Tls(s) => s; io => io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, Transport::Plain(s) => s, Transport::Tls(s) => s; io => io.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, Transport::Plain(s) => s, Transport::Tls(s) => s; io => io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, Transport::Plain(s) => s, Transport::Tls(s) => s; io => io.poll_shutdown(cx))
    }
}
