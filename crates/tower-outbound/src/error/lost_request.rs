//! A request that the client has lost.

use std::error::Error;
use std::fmt;

/// A connection has ended, and the client neither sent the request nor returned it.
#[derive(Debug)]
pub(crate) struct LostRequestError;

impl fmt::Display for LostRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the connection ended before the request was sent, and the client did not return the request",
        )
    }
}

impl Error for LostRequestError {}
