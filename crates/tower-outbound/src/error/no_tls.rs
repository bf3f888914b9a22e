//! TLS is missing.

use std::error::Error;
use std::fmt;
use std::io;

/// The client wrote plain text to an `https` connection whose TLS should run above the tracked connector. Nothing was sent.
#[derive(Debug)]
pub(crate) struct NoTlsError;

impl NoTlsError {
    pub(crate) fn refusal() -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, Self)
    }
}

impl fmt::Display for NoTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the URI is https, but nothing above the connection does TLS, so nothing was sent: \
             tonic does it by `Endpoint::tls_config` and one of its TLS features, and \
             `TonicBuilder::tls_config` without",
        )
    }
}

impl Error for NoTlsError {}
