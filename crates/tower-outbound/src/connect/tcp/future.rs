use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TcpIo;
use crate::error::TcpConnectError;

type Connecting = dyn Future<Output = Result<TcpIo, TcpConnectError>> + Send;

/// Future of a [`TcpConnector`](crate::connect::TcpConnector).
///
/// # Cancel safety
/// Dropping it drops the resolver's future or closes the sockets of all running attempts, which are reported as
/// cancelled. A peer may have accepted a connection on which no byte was sent.
#[must_use = "futures do nothing unless polled"]
// Boxed, since hyper-util requires `Unpin` futures of connectors.
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
