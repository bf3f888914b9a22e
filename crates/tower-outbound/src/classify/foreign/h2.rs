//! h2: errors of a stream and of the whole connection, and who has made them.

use h2::{Error, Reason};

use crate::classify::evidence::{Evidence, Level};
use crate::failure::Kind;

/// h2 does not give the IO's error as a source.
pub(super) fn cause_of(error: Level<'_>) -> Option<Level<'_>> {
    error.downcast_ref::<Error>()?.get_io().map(|error| error as _)
}

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    let Some(error) = error.downcast_ref::<Error>() else { return false };
    if error.is_io() {
        evidence.from_io = true;
        evidence.reading_body = false;
    } else if error.is_go_away() {
        // By itself it proves nothing: see `Attempt::send_state`.
        evidence.exact(go_away(error));
    } else if error.is_reset() {
        let kind = reset(error);
        if kind == Kind::StreamRefused {
            evidence.not_processed();
        }
        evidence.exact(kind);
    } else if error.reason().is_some() {
        evidence.exact(Kind::Protocol);
    } else {
        // What is left: h2 was asked for what it cannot do.
        evidence.definite(Kind::InvalidRequest);
    }
    true
}

fn go_away(error: &Error) -> Kind {
    if error.is_remote() {
        Kind::GoAway
    } else if error.is_library() {
        broken(error)
    } else {
        Kind::ConnectionAborted
    }
}

fn reset(error: &Error) -> Kind {
    if error.is_remote() {
        let refused = error.reason() == Some(Reason::REFUSED_STREAM);
        if refused { Kind::StreamRefused } else { Kind::StreamReset }
    } else if error.is_library() {
        broken(error)
    } else {
        // hyper resets a stream whose request body has failed.
        Kind::RequestBody
    }
}

/// h2 itself has evidence fault with what the peer sent; these reasons say that it was too much.
fn broken(error: &Error) -> Kind {
    match error.reason() {
        // The last one is a head that goes on in `CONTINUATION` frames; what HPACK cannot decode has another.
        Some(Reason::ENHANCE_YOUR_CALM | Reason::REFUSED_STREAM | Reason::COMPRESSION_ERROR) => {
            Kind::LimitExceeded
        }
        _ => Kind::Protocol,
    }
}
