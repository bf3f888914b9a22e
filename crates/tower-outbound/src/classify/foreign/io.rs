//! std's `io::Error`, and tokio's `Elapsed`, which is inside one now and then.

use std::io::{Error, ErrorKind};

use super::says;
use crate::classify::chain::{Found, Level};
use crate::failure::Kind;

/// `source` passes over the error inside; this does not.
pub(super) fn cause_of(error: Level<'_>) -> Option<Level<'_>> {
    error.downcast_ref::<Error>()?.get_ref().map(|error| error as _)
}

pub(super) fn look_at(error: Level<'_>, found: &mut Found) -> bool {
    if error.is::<tokio::time::error::Elapsed>() {
        found.timeout();
        return true;
    }
    let Some(error) = error.downcast_ref::<Error>() else { return false };
    found.os_error(error.raw_os_error());
    match error.kind() {
        ErrorKind::TimedOut => found.timeout(),
        // Not by the system's number, but made by a library.
        ErrorKind::InvalidInput | ErrorKind::InvalidData if found.reading_body => {
            found.say(Kind::InvalidResponse);
        }
        // h2 turns the IO's error into text: this is what TLS says after its handshake.
        ErrorKind::InvalidData if found.from_io => found.perhaps(Kind::SecureConnection),
        // The peer has closed amid a frame of HTTP/2.
        ErrorKind::Other if found.from_io && says(error, "bytes remaining on stream") => {
            found.say(Kind::ResponseEnded);
        }
        _ => match kind_of(error) {
            Some(kind) => found.say(kind),
            None if found.from_io => found.perhaps(Kind::Connection),
            None => {}
        },
    }
    true
}

fn kind_of(error: &Error) -> Option<Kind> {
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => Kind::ConnectionRefused,
        ErrorKind::ConnectionReset => Kind::ConnectionReset,
        // h2 says so, with a text, where the peer has closed; the system means a reset.
        ErrorKind::BrokenPipe if error.get_ref().is_some() => Kind::ResponseEnded,
        ErrorKind::BrokenPipe => Kind::ConnectionReset,
        // The peer has reset it before anything was done with it.
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
