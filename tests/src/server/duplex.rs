//! A connector to a scripted server without sockets.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::log::Log;
use super::play::play;
use super::script::Scripts;
use super::transport::{Raw, Transport};
use crate::gate::Gate;

/// The buffer of each direction.
const BUFFER: usize = 64 * 1024;

/// Connects to its [`ScriptedServer`](super::ScriptedServer), whatever the URI; clones connect to the same.
#[derive(Clone)]
pub struct DuplexConnector {
    scripts: Arc<dyn Scripts>,
    log: Log,
    stopped: Gate,
    delay: Duration,
}

impl DuplexConnector {
    pub(super) fn new(scripts: Arc<dyn Scripts>, log: Log, stopped: Gate) -> DuplexConnector {
        DuplexConnector { scripts, log, stopped, delay: Duration::ZERO }
    }

    /// The duration of each connect. Use it under a paused clock.
    #[must_use]
    pub fn delay(self, delay: Duration) -> DuplexConnector {
        DuplexConnector { delay, ..self }
    }

    /// Connects at once; fails after the server has stopped.
    pub fn connect(&self) -> io::Result<DuplexIo> {
        if self.stopped.is_open() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (client, server) = tokio::io::duplex(BUFFER);
        let reset = Arc::new(AtomicBool::new(false));
        let index = self.log.accept(None);
        let transport = Transport::Plain(Raw::Duplex(server, Arc::clone(&reset)));
        let script = self.scripts.script(index);
        tokio::spawn(play(transport, script, self.log.clone(), index, self.stopped.clone()));
        Ok(DuplexIo(TokioIo::new(Client { stream: client, reset })))
    }
}

impl tower_service::Service<http::Uri> for DuplexConnector {
    type Response = DuplexIo;
    type Error = io::Error;
    // Boxed: hyper-util requires the connector's future to be `Unpin`.
    type Future = Pin<Box<dyn Future<Output = io::Result<DuplexIo>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            if !connector.delay.is_zero() {
                tokio::time::sleep(connector.delay).await;
            }
            connector.connect()
        })
    }
}

impl std::fmt::Debug for DuplexConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DuplexConnector").field("delay", &self.delay).finish_non_exhaustive()
    }
}

/// A connection of a [`DuplexConnector`].
#[derive(Debug)]
pub struct DuplexIo(TokioIo<Client>);

impl Connection for DuplexIo {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl rt::Read for DuplexIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl rt::Write for DuplexIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A duplex stream that can report a reset, which `DuplexStream` cannot.
#[derive(Debug)]
struct Client {
    stream: DuplexStream,
    reset: Arc<AtomicBool>,
}

impl Client {
    fn alive(&self) -> io::Result<()> {
        match self.reset.load(Ordering::Acquire) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        match polled {
            // The end of file wakes the reader; what was written before the reset may still be read.
            Poll::Ready(Ok(())) if buf.filled().len() == before => Poll::Ready(self.alive()),
            polled => polled,
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
