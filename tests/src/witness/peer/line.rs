//! A connection of the peer: its IO, what was read and not consumed, and its log.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use super::super::log::{PeerConnection, PeerEnd, PeerRequest};

/// A connection under way.
pub(super) struct Line<I> {
    pub(super) io: I,
    pub(super) connection: PeerConnection,
    /// Read and not consumed.
    pub(super) buffer: BytesMut,
    /// The peer has closed: it reads on, and writes nothing.
    pub(super) closed: bool,
}

/// The connection has ended; its log says how.
#[derive(Debug)]
pub(super) struct Over;

impl<I: AsyncRead + AsyncWrite + Unpin> Line<I> {
    pub(super) fn new(io: I, connection: PeerConnection) -> Self {
        Self { io, connection, buffer: BytesMut::with_capacity(64 << 10), closed: false }
    }

    /// Reads some bytes. Cancel safe.
    pub(super) async fn fill(&mut self) -> Result<(), Over> {
        self.buffer.reserve(16 << 10);
        let read = self.io.read_buf(&mut self.buffer).await;
        match read {
            Ok(0) => self.client_ended(true),
            // rustls reports this for a peer that closed without `close_notify`.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.client_ended(true),
            Err(_) => self.client_ended(false),
            Ok(count) => {
                self.connection.read += count as u64;
                Ok(())
            }
        }
    }

    fn client_ended(&mut self, cleanly: bool) -> Result<(), Over> {
        self.connection.to_the_end = cleanly;
        if !self.closed {
            let end = if cleanly { PeerEnd::Client } else { PeerEnd::ClientReset };
            self.ends(end);
        }
        Err(Over)
    }

    /// Writes, unless the peer has closed.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Over> {
        if self.closed {
            return Ok(());
        }
        let written = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        match written.await {
            Ok(()) => {
                self.connection.written += bytes.len() as u64;
                Ok(())
            }
            // Some of the bytes may have left.
            Err(_) => {
                self.connection.written += bytes.len() as u64;
                self.ends(PeerEnd::ClientReset);
                Err(Over)
            }
        }
    }

    /// Closes; what the client still writes is read.
    pub(super) async fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.ends(PeerEnd::Closed);
            // Fails only if the client has ended the connection.
            let _ = self.io.shutdown().await;
        }
    }

    /// The connection is to be reset, which its drop does.
    pub(super) fn reset(&mut self) -> Result<(), Over> {
        self.ends(PeerEnd::Reset);
        Err(Over)
    }

    fn ends(&mut self, end: PeerEnd) {
        (self.connection.end, self.connection.end_at) = (end, Instant::now());
    }

    /// The request that is being read (HTTP/1).
    pub(super) fn request(&mut self) -> Option<&mut PeerRequest> {
        self.connection.requests.last_mut()
    }
}
