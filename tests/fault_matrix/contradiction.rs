//! The send state of a failure is compared with what the peer has seen of the request.

use outbound_tests::faults::Seen;
use tower_outbound::SendState;

/// The client's side of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) http2: bool,
    /// Bytes written by the connection from the start of the request to the end of the connection, if the connection
    /// is known.
    pub(crate) written: Option<u64>,
}

impl Client {
    /// How this state contradicts what the peer has seen, if it does.
    pub(crate) fn contradiction(self, send: SendState, seen: Seen) -> Option<String> {
        let Seen { read, whole, to_the_end, answered, blind } = seen;
        let Client { http2, written } = self;
        let wrote = written.unwrap_or_default();
        let fits = match send {
            // HTTP/2 writes its settings first.
            SendState::NotSent => read == 0 && !whole && (http2 || wrote == 0),
            // Nothing more went out after the report.
            SendState::Partial(then) => !http2 && !whole && read <= wrote && then == wrote,
            SendState::Sent => !http2 && wrote > 0 && read <= wrote && (whole || !to_the_end),
            SendState::NotProcessed => http2 && !answered,
            // The head went out. A blind peer cannot say whether it arrived.
            SendState::Unknown => http2 && (read > 0 || blind) && written.is_none_or(|wrote| read <= wrote),
            other => panic!("{other} is new"),
        };
        (!fits).then(|| format!("{send:?}, but {self:?} and {seen:?}"))
    }
}
