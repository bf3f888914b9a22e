use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TcpIo;
use crate::error::TcpConnectError;

type Connecting = dyn Future<Output = Result<TcpIo, TcpConnectError>> + Send;

/// The future of a TCP connect.
///
/// # Cancel safety
/// Dropping it gives up the resolver's future and every address that is being tried, and closes their sockets:
/// a peer may have seen a connection without a byte on it. Each of them ends as cancelled.
#[must_use = "futures do nothing unless polled"]
// Boxed: hyper-util wants its connectors' futures `Unpin`.
pub struct TcpConnecting(Pin<Box<Connecting>>);

impl TcpConnecting {
    pub(super) fn new(future: impl Future<Output = Result<TcpIo, TcpConnectError>> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for TcpConnecting {
    type Output = Result<TcpIo, TcpConnectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for TcpConnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnecting").finish_non_exhaustive()
    }
}
