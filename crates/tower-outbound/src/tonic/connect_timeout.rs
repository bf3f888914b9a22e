//! The channel's connect timeout, which includes tonic's TLS handshake.

use std::error::Error as _;
use std::io;

use tokio::time::error::Elapsed;
use tonic::ConnectError;
use tonic::transport::Error;

use crate::error::BoxError;
use crate::failure::{Failure, Kind, Phase};

/// Classifies a connect timeout in tonic's TLS handshake, and boxes any other error.
///
/// tonic returns a bare `io::Error`, which shows neither that the connect failed nor that nothing was sent.
pub(super) fn classified(error: Error) -> BoxError {
    if !is_connect_timeout(&error) {
        return error.into();
    }
    // The tracked connector has the same timeout and started earlier. It had finished, so the handshake was running.
    let failure = Failure::new(Kind::TlsTimeout).with_phase(Phase::Tls).in_setup(None);
    // tonic makes `UNAVAILABLE` of a `ConnectError`: nothing was sent.
    ConnectError(crate::error::ConnectError::new(failure, error.into()).into()).into()
}

/// Whether the error is that of hyper-timeout around connector and TLS. Errors of a connector are in a `ConnectError`.
fn is_connect_timeout(error: &Error) -> bool {
    let timeout = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let timeout = timeout.filter(|timeout| timeout.kind() == io::ErrorKind::TimedOut);
    timeout.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<Elapsed>()).is_some()
}
