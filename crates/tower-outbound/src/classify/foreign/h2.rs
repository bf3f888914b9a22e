//! h2: errors of a stream or of the whole connection, and which side caused them.

use h2::{Error, Reason};

use crate::classify::evidence::{Evidence, Level};
use crate::failure::Kind;

/// The error of the IO, which h2 does not return as a source.
pub(super) fn cause_of(error: Level<'_>) -> Option<Level<'_>> {
    error.downcast_ref::<Error>()?.get_io().map(|error| error as _)
}

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    let Some(error) = error.downcast_ref::<Error>() else { return false };
    if error.is_io() {
        evidence.from_io = true;
        evidence.reading_body = false;
    } else if error.is_go_away() {
        // The error alone proves nothing: see `attribution::is_beyond_goaway`.
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
        // The remaining errors: invalid use of h2.
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
        // hyper resets a stream whose request body failed.
        Kind::RequestBody
    }
}

/// The kind of an error that h2 itself found in the peer's data; some reasons mean that a limit was exceeded.
fn broken(error: &Error) -> Kind {
    match error.reason() {
        // The last reason is that of a head with too many `CONTINUATION` frames; an HPACK error has another.
        Some(Reason::ENHANCE_YOUR_CALM | Reason::REFUSED_STREAM | Reason::COMPRESSION_ERROR) => {
            Kind::LimitExceeded
        }
        _ => Kind::Protocol,
    }
}
