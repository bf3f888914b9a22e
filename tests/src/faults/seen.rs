//! What the peer has read and written of a request.

use crate::server::{ConnectionLog, Ended, ScriptedServer};

/// The first byte of a TLS record that belongs to a handshake.
const HANDSHAKE: u8 = 0x16;

/// What the peer's application has read and written of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of the request that were read, above TLS.
    pub read: u64,
    /// The request was read whole.
    pub whole: bool,
    /// The connection was read until the client had closed it: no further byte was on the way.
    pub to_the_end: bool,
    /// The head of a response was written.
    pub answered: bool,
    /// The peer ended the connection before it could have read anything.
    pub blind: bool,
}

impl Seen {
    /// What the server has read on all connections but what it had read before the request.
    #[must_use]
    pub fn since(server: &ScriptedServer, before: &[ConnectionLog]) -> Seen {
        let log = server.log();
        let requests =
            |log: &[ConnectionLog]| log.iter().map(|connection| connection.requests).sum::<usize>();
        let read = |log: &[ConnectionLog]| log.iter().map(of_http).sum::<u64>();
        Seen {
            read: read(&log) - read(before),
            whole: requests(&log) > requests(before),
            to_the_end: log.last().is_some_and(|last| last.ended == Some(Ended::PeerClosed)),
            answered: false,
            blind: log.last().is_some_and(|last| matches!(last.ended, Some(Ended::TlsFailed(_)))),
        }
    }
}

fn of_http(connection: &ConnectionLog) -> u64 {
    match connection.raw.first() {
        // A peer without TLS reads the client's handshake.
        Some(&HANDSHAKE) => 0,
        _ => connection.raw.len() as u64,
    }
}
