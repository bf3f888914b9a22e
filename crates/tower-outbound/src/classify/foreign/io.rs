//! std's `io::Error`, and tokio's `Elapsed`, which may be inside.

use std::io::{Error, ErrorKind};

use super::says;
use crate::classify::evidence::{Evidence, Level};
use crate::failure::Kind;

/// The error inside, which `source` skips.
pub(super) fn cause_of(error: Level<'_>) -> Option<Level<'_>> {
    error.downcast_ref::<Error>()?.get_ref().map(|error| error as _)
}

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    if error.is::<tokio::time::error::Elapsed>() {
        evidence.timeout();
        return true;
    }
    let Some(error) = error.downcast_ref::<Error>() else { return false };
    evidence.os_error(error.raw_os_error());
    match error.kind() {
        ErrorKind::TimedOut => evidence.timeout(),
        // Made by a library, without an error number of the system.
        ErrorKind::InvalidInput | ErrorKind::InvalidData if evidence.reading_body => {
            evidence.exact(Kind::InvalidResponse);
        }
        // h2 turns the error of the IO into text: this is a TLS error after the handshake.
        ErrorKind::InvalidData if evidence.from_io => evidence.likely(Kind::SecureConnection),
        // The peer closed within an HTTP/2 frame.
        ErrorKind::Other if evidence.from_io && says(error, "bytes remaining on stream") => {
            evidence.exact(Kind::ResponseEnded);
        }
        _ => match kind_of(error) {
            Some(kind) => evidence.exact(kind),
            None if evidence.from_io => evidence.likely(Kind::Connection),
            None => {}
        },
    }
    true
}

fn kind_of(error: &Error) -> Option<Kind> {
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => Kind::ConnectionRefused,
        ErrorKind::ConnectionReset => Kind::ConnectionReset,
        // With a text, h2 means that the peer closed. The system means a reset.
        ErrorKind::BrokenPipe if error.get_ref().is_some() => Kind::ResponseEnded,
        ErrorKind::BrokenPipe => Kind::ConnectionReset,
        // The peer reset the connection before it was used.
        ErrorKind::NotConnected if error.raw_os_error().is_some() => Kind::ConnectionReset,
        ErrorKind::ConnectionAborted => Kind::ConnectionAborted,
        ErrorKind::HostUnreachable => Kind::HostUnreachable,
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Kind::NetworkUnreachable,
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => Kind::AddressNotAvailable,
        ErrorKind::PermissionDenied => Kind::AccessDenied,
        ErrorKind::UnexpectedEof => Kind::ResponseEnded,
        _ if is_out_of_descriptors(error) => Kind::TooManyOpenSockets,
        _ => return None,
    })
}

/// std has no kind for these.
fn is_out_of_descriptors(error: &Error) -> bool {
    // `ENFILE` and `EMFILE`, on which Linux and the BSDs agree; `WSAEMFILE`.
    let numbers: &[i32] = if cfg!(windows) { &[10_024] } else { &[23, 24] };
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}
