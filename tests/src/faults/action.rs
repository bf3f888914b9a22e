//! What the client does during a fault, and when.

use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::gate::Gate;

/// What the client does, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing but to send the request and to read the response.
    None,
    /// Opens the gate before the request; the connection's task finds the end of the connection and the request
    /// at once.
    ShowEndBeforeRequest,
    /// Opens the gate before the request; the request is written before the peer acts.
    OpenGateBeforeRequest,
    /// Opens the gate at the first byte of the response.
    OpenGateAtFirstByte,
    /// Opens the gate when it has the response's head.
    OpenGateAtHead,
    /// Drops the request when the peer has opened the gate.
    CancelAtGate,
    /// Drops the request at the first byte of the response.
    CancelAtFirstByte,
    /// Drops the response when it has the head.
    CancelAtHead,
    /// Lets a timeout pass once the peer has opened the gate.
    TimeOutAtGate,
    /// Lets a timeout pass from the first byte of the response on.
    TimeOutAtFirstByte,
    /// Lets a timeout pass once it has the response's head.
    TimeOutAtHead,
}

/// Opens the gate and returns when the peer has acted, before a connection's task has seen it.
///
/// Only on a current-thread runtime: one turn of its driver makes the peer's act readable, and wakes the caller
/// first.
///
/// # Errors
/// If a pair of sockets cannot be made.
pub async fn open_before_request(gate: &Gate) -> io::Result<()> {
    let (mut writes, reads) = UnixStream::pair()?;
    writes.write_all(&[0]).await?;
    gate.open();
    reads.readable().await
}
