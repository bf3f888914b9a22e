//! What a peer has read, answered and closed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// One connection, as its peer saw it.
#[derive(Clone, Debug)]
pub struct PeerConnection {
    /// The client's port.
    pub port: u16,
    /// By the order of acceptance, from 0.
    pub number: usize,
    /// The version that the peer speaks on it.
    pub http2: bool,
    /// HTTP bytes read, inside TLS.
    pub read: u64,
    /// HTTP bytes written, inside TLS.
    pub written: u64,
    /// The requests whose head was read, in order.
    pub requests: Vec<PeerRequest>,
    /// What the peer said of the connection.
    pub goodbye: Option<Goodbye>,
    /// It wrote bytes that are no HTTP: the client need not read what follows.
    pub garbage: bool,
    /// Who ended it, and how.
    pub end: PeerEnd,
    /// When that was.
    pub end_at: Instant,
    /// Everything that the client wrote was read, up to the client's own end.
    pub to_the_end: bool,
}

/// What the peer said of a connection before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// `connection: close`.
    Close,
    /// HTTP/1.0 without `connection: keep-alive`.
    Http10,
    /// GOAWAY with this last stream.
    GoAway(u32),
}

/// How a connection ended, as its peer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerEnd {
    /// The client closed first.
    Client,
    /// The client reset it, or a write of the peer failed.
    ClientReset,
    /// The peer closed first.
    Closed,
    /// The peer reset it.
    Reset,
    /// The TLS handshake did not succeed.
    Handshake,
    /// Not at all, long after the client was dropped.
    Open,
}

/// One request, as its peer saw it.
#[derive(Clone, Debug)]
pub struct PeerRequest {
    /// The attempt's id, which it carries in a header.
    pub attempt: u64,
    /// The step's number.
    pub step: usize,
    /// The use of the connection from 1 (HTTP/1), or the stream (HTTP/2).
    pub number: u32,
    /// When its first bytes had been read.
    pub first_read: Instant,
    /// When its last bytes so far had been read.
    pub last_read: Instant,
    /// Bytes of it: head and framing included.
    pub wire: u64,
    /// Bytes of its body.
    pub body: u64,
    /// It was read whole.
    pub whole: bool,
    /// The answer, if one was begun.
    pub answer: Option<PeerAnswer>,
    /// What else was said of it.
    pub refusal: Option<Refusal>,
    /// When the peer said so.
    pub refused_at: Option<Instant>,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct PeerAnswer {
    /// Just before its first byte was written.
    pub at: Instant,
    /// The request had been read whole then.
    pub after_whole: bool,
    /// Its head was written whole.
    pub head: bool,
    /// Bytes of its body that were written.
    pub body: u64,
    /// It was written whole.
    pub whole: bool,
}

/// What the peer said of a request in place of an answer (HTTP/2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// REFUSED_STREAM.
    Refused,
    /// RST_STREAM with another code.
    Reset,
    /// A GOAWAY excluded it.
    Excluded,
}

impl PeerConnection {
    /// Bytes of a request whose head was not read whole.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        let known: u64 = self.requests.iter().map(|request| request.wire).sum();
        self.read.saturating_sub(known)
    }
}

/// The connections of the peers of one scene. Clones share one log.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<PeerConnection>>>);

impl Log {
    pub(super) fn push(&self, connection: PeerConnection) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    /// All connections that have ended, in the order of acceptance.
    pub(super) fn take(&self) -> Vec<PeerConnection> {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.sort_by_key(|connection| connection.number);
        all
    }
}
