//! What a failure says of its request is compared with what the peer has logged of it.

use outbound_tests::server::{ConnectionLog, Ended, ScriptedServer};
use tower_outbound::SendState;

/// The first byte of a TLS record that belongs to a handshake.
const HANDSHAKE: u8 = 0x16;

/// What the peer's application saw of the request in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Bytes of it that were read, above TLS.
    pub(crate) read: u64,
    /// It was read whole.
    pub(crate) whole: bool,
    /// It was read until the client had ended the connection in good order: nothing more was on the way.
    pub(crate) to_the_end: bool,
    /// A handler ran: the head of an answer was written.
    pub(crate) answered: bool,
    /// It was gone before it could have read anything.
    pub(crate) blind: bool,
}

/// What the client's side of it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) http2: bool,
    /// By its connection from the beginning of the request to the end of the connection, if it is known which.
    pub(crate) written: Option<u64>,
    /// It has ended the attempt; what it held ready went out after that.
    pub(crate) has_cut: bool,
}

impl Seen {
    /// All connections together: those are this request's but for what was read before it.
    pub(crate) fn by(server: &ScriptedServer) -> Seen {
        let log = server.log();
        let whole = log.iter().map(|connection| connection.requests).sum::<usize>() > 0;
        let to_the_end = log.last().is_some_and(|last| last.ended == Some(Ended::PeerClosed));
        let blind = log.last().is_some_and(|last| matches!(last.ended, Some(Ended::TlsFailed(_))));
        Seen { read: log.iter().map(of_http).sum(), whole, to_the_end, blind, answered: false }
    }

    /// Without the requests before it.
    pub(crate) fn since(server: &ScriptedServer, before: &[ConnectionLog]) -> Seen {
        let requests =
            |log: &[ConnectionLog]| log.iter().map(|connection| connection.requests).sum::<usize>();
        let seen = Seen::by(server);
        let read = seen.read - before.iter().map(of_http).sum::<u64>();
        Seen { read, whole: requests(&server.log()) > requests(before), ..seen }
    }

    /// What is wrong with this state, if anything.
    pub(crate) fn contradicts(self, send: SendState, client: Client) -> Option<String> {
        let Seen { read, whole, to_the_end, answered, blind } = self;
        let Client { http2, written, has_cut } = client;
        let wrote = written.unwrap_or_default();
        let fits = match send {
            // On HTTP/2 the settings go first.
            SendState::NotSent => read == 0 && !whole && (http2 || wrote == 0),
            SendState::Partial(then) => {
                !http2 && !whole && read <= wrote && (then == wrote || has_cut && then < wrote)
            }
            SendState::Sent => !http2 && wrote > 0 && read <= wrote && (whole || !to_the_end),
            SendState::NotProcessed => http2 && !answered,
            // Its head went out; whether the peer has read that, it cannot tell where it was blind.
            SendState::Unknown => http2 && (read > 0 || blind) && written.is_none_or(|wrote| read <= wrote),
            other => panic!("{other} is new"),
        };
        (!fits).then(|| format!("{send:?}, but {client:?} and {self:?}"))
    }
}

fn of_http(connection: &ConnectionLog) -> u64 {
    match connection.raw.first() {
        // Where the peer knows no TLS, it reads that of the client.
        Some(&HANDSHAKE) => 0,
        _ => connection.raw.len() as u64,
    }
}
