//! The one module that knows the error types of others.

use std::error::Error as StdError;
use std::io;

use http::Extensions;

use super::{Failure, Kind};
use crate::connect::{ConnectError, PhaseError};
use crate::exchange::Phase;

/// Deeper chains than this are made by accident (a cycle), not by layers.
const MAX_DEPTH: usize = 64;

pub(super) fn failure_of(error: &(dyn StdError + 'static)) -> Failure {
    let mut found = Found::default();
    let mut next = Some(error);
    for _ in 0..MAX_DEPTH {
        let Some(error) = next else { break };
        if let Some(settled) = settled(error) {
            return settled;
        }
        found.look_at(error);
        next = cause_of(error);
    }
    found.finish()
}

/// What hyper-util knows of the connection that an error came from.
pub(crate) fn connect_extras(error: &(dyn StdError + 'static), extensions: &mut Extensions) {
    let mut next = Some(error);
    for _ in 0..MAX_DEPTH {
        let Some(error) = next else { break };
        let client = error.downcast_ref::<hyper_util::client::legacy::Error>();
        if let Some(connected) = client.and_then(|client| client.connect_info()) {
            return connected.get_extras(extensions);
        }
        next = cause_of(error);
    }
}

/// Our own errors were classified where they happened.
fn settled(error: &(dyn StdError + 'static)) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<crate::Error>() {
        return Some(error.failure().clone());
    }
    // Of our own TCP connector: it knows more than its chain says.
    if let Some(error) = error.downcast_ref::<crate::tcp::TcpConnectError>() {
        return Some(error.failure().clone());
    }
    error.downcast_ref::<ConnectError>().map(|error| error.failure().clone())
}

/// `io::Error::source` passes over the error inside; this does not.
fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    error.source()
}

/// What the levels of a chain have said so far; outer levels come first and are less exact.
#[derive(Default)]
struct Found {
    kind: Option<Kind>,
    phase: Option<Phase>,
    os_error: Option<i32>,
    connecting: bool,
}

impl Found {
    fn look_at(&mut self, error: &(dyn StdError + 'static)) {
        if let Some(error) = error.downcast_ref::<PhaseError>() {
            self.phase = Some(error.phase());
            self.connecting = true;
        } else if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            self.connecting |= error.is_connect();
            // Its errors about the network have a source; without one, it has refused the request itself.
            if !error.is_connect() && error.source().is_none() {
                self.kind = Some(Kind::InvalidRequest);
            }
        } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
            self.kind = hyper_kind(error).or(self.kind);
        } else if let Some(error) = error.downcast_ref::<h2::Error>() {
            self.kind = h2_kind(error).or(self.kind);
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            self.os_error = error.raw_os_error().or(self.os_error);
            self.kind = self.io_kind(error).or(self.kind);
        } else if error.is::<tokio::time::error::Elapsed>() {
            self.kind = Some(self.timeout());
        } else if is_tls(error) {
            self.kind = Some(Kind::SecureConnection);
        }
    }

    fn timeout(&self) -> Kind {
        if self.connecting { Kind::ConnectTimeout } else { Kind::ResponseTimeout }
    }

    fn io_kind(&self, error: &io::Error) -> Option<Kind> {
        // Linux and the BSDs agree on these two.
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        Some(match error.kind() {
            io::ErrorKind::ConnectionRefused => Kind::ConnectionRefused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Kind::ConnectionReset,
            io::ErrorKind::ConnectionAborted => Kind::ConnectionAborted,
            io::ErrorKind::HostUnreachable => Kind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable => Kind::NetworkUnreachable,
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Kind::AddressNotAvailable,
            io::ErrorKind::PermissionDenied => Kind::AccessDenied,
            io::ErrorKind::TimedOut => self.timeout(),
            io::ErrorKind::UnexpectedEof => Kind::ResponseEnded,
            _ if matches!(error.raw_os_error(), Some(ENFILE | EMFILE)) => Kind::TooManyOpenSockets,
            _ => return None,
        })
    }

    fn finish(self) -> Failure {
        let kind = match (self.phase, self.kind) {
            (Some(Phase::Dns), None | Some(Kind::Other)) => Kind::NameResolution,
            (Some(Phase::Tls), None | Some(Kind::ResponseEnded)) => Kind::SecureConnection,
            (_, Some(kind)) => kind,
            (_, None) if self.connecting => Kind::Connection,
            (_, None) => Kind::Other,
        };
        let failure = Failure::new(kind).with_os_error(self.os_error);
        match self.phase {
            Some(phase) => failure.with_phase(phase),
            None => failure,
        }
    }
}

/// `None` where an inner error says more.
fn hyper_kind(error: &hyper::Error) -> Option<Kind> {
    Some(if error.is_parse_too_large() {
        Kind::LimitExceeded
    } else if error.is_parse() {
        Kind::InvalidResponse
    } else if error.is_incomplete_message() {
        Kind::ResponseEnded
    } else if error.is_canceled() || error.is_closed() {
        Kind::ConnectionReset
    } else if error.is_timeout() {
        Kind::ResponseTimeout
    } else if error.is_user() {
        // hyper has the body's own error as source; its other user errors have none.
        if error.source().is_some() { Kind::RequestBody } else { Kind::InvalidRequest }
    } else {
        return None;
    })
}

fn h2_kind(error: &h2::Error) -> Option<Kind> {
    if error.is_io() {
        return None;
    }
    Some(if error.is_go_away() && error.is_remote() {
        Kind::GoAway
    } else if error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
        Kind::StreamRefused
    } else if error.is_reset() && error.is_remote() {
        Kind::StreamReset
    } else {
        Kind::Protocol
    })
}

#[cfg(feature = "client")]
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    error.is::<rustls::Error>()
}

#[cfg(not(feature = "client"))]
fn is_tls(_: &(dyn StdError + 'static)) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_inside_an_io_error_is_seen() {
        let inner = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = io::Error::other(PhaseError::new(Phase::Tcp, inner.into()));
        let failure = failure_of(&error);
        assert_eq!((failure.kind(), failure.phase()), (Kind::ConnectionRefused, Some(Phase::Tcp)));
    }

    #[test]
    fn a_resolver_failure_is_a_name_resolution_error() {
        let error = PhaseError::new(Phase::Dns, "no such host".into());
        assert_eq!(failure_of(&error).kind(), Kind::NameResolution);
    }

    #[test]
    fn an_unknown_error_is_other() {
        let error: Box<dyn StdError> = "what".into();
        assert_eq!(failure_of(&*error).kind(), Kind::Other);
    }
}
