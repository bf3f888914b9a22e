//! The log of a scripted server.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// One connection, as logged by its server.
#[derive(Clone, Debug)]
pub struct ConnectionLog {
    /// Its number, counted from 0 in order of acceptance.
    pub index: usize,
    /// The client's address; `None` over duplex.
    pub peer: Option<SocketAddr>,
    /// When it was accepted.
    pub accepted: Instant,
    /// The ALPN protocol.
    pub alpn: Option<String>,
    /// The number of requests that were read whole.
    pub requests: usize,
    /// The head of every request, the empty line included.
    pub heads: Vec<String>,
    /// Every byte read, inside TLS.
    pub raw: Vec<u8>,
    /// How the connection ended; `None` while it is open.
    pub ended: Option<Ended>,
}

impl ConnectionLog {
    /// The client's port; `None` over duplex.
    #[must_use]
    pub fn peer_port(&self) -> Option<u16> {
        self.peer.map(|peer| peer.port())
    }
}

/// How a scripted connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The script closed the connection, or reached its end.
    Closed,
    /// The script reset the connection.
    Reset,
    /// The peer closed while a step was reading.
    PeerClosed,
    /// The peer reset the connection, or had closed it before a write.
    PeerReset,
    /// The TLS handshake failed, with this error.
    TlsFailed(String),
    /// Another error.
    Failed(String),
    /// The server was stopped.
    Stopped,
}

/// All connections of one server, shared with their tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    connections: Mutex<Vec<ConnectionLog>>,
    changed: Notify,
}

impl Log {
    pub(super) fn accept(&self, peer: Option<SocketAddr>) -> usize {
        self.with(|connections| {
            let index = connections.len();
            connections.push(ConnectionLog {
                index,
                peer,
                accepted: Instant::now(),
                alpn: None,
                requests: 0,
                heads: Vec::new(),
                raw: Vec::new(),
                ended: None,
            });
            index
        })
    }

    /// Changes the entry of one connection and wakes the waiters.
    pub(super) fn update<T>(&self, index: usize, change: impl FnOnce(&mut ConnectionLog) -> T) -> T {
        self.with(|connections| change(&mut connections[index]))
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&[ConnectionLog]) -> T) -> T {
        look(&self.0.connections.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn wait_until(&self, done: impl Fn(&[ConnectionLog]) -> bool) {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.read(&done) {
                return;
            }
            changed.await;
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<ConnectionLog>) -> T) -> T {
        let result = change(&mut self.0.connections.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.changed.notify_waiters();
        result
    }
}
