//! The channel's own limit of a connect, which holds for tonic's TLS too.

use std::error::Error as _;
use std::io;

use tokio::time::error::Elapsed;
use tonic::ConnectError;
use tonic::transport::Error;

use crate::error::BoxError;
use crate::failure::{Failure, Kind, Phase};

/// What tonic's error is to be told as: a limit that is hit is tonic's bare `io::Error`, and says neither that it was
/// the connect's nor that nothing was sent.
pub(super) fn told(error: Error) -> BoxError {
    if !is_connect_limit(&error) {
        return error.into();
    }
    // The tracked connector has the same limit from an earlier moment on: it was done, so TLS was running.
    let failure = Failure::new(Kind::TlsTimeout).with_phase(Phase::Tls).in_setup(None);
    // By its type tonic knows that nothing was sent.
    ConnectError(crate::error::ConnectError::new(failure, error.into()).into()).into()
}

/// hyper-timeout's, around connector and TLS; what comes from a connector is in a `ConnectError`.
fn is_connect_limit(error: &Error) -> bool {
    let limit = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let limit = limit.filter(|limit| limit.kind() == io::ErrorKind::TimedOut);
    limit.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<Elapsed>()).is_some()
}
