//! The errors of a pool.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::error::BoxError;
use crate::failure::Failure;
use crate::record::Connection;

/// A connect of a pool failed: for each request that waited for it. The source is the connector's error, or hyper's.
#[derive(Clone, Debug)]
pub(crate) struct PoolConnectError(Arc<BoxError>);

impl PoolConnectError {
    pub(crate) fn new(source: impl Into<BoxError>) -> Self {
        Self(Arc::new(source.into()))
    }
}

impl fmt::Display for PoolConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection was made")
    }
}

impl Error for PoolConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.0)
    }
}

/// The connection that was made for a request ended before it took the request.
#[derive(Debug)]
pub(crate) struct ConnectionEndedError(Option<Failure>);

impl ConnectionEndedError {
    /// `cause`: why its IO failed, if that is known.
    pub(crate) const fn new(cause: Option<Failure>) -> Self {
        Self(cause)
    }

    pub(crate) const fn cause(&self) -> Option<&Failure> {
        self.0.as_ref()
    }
}

impl fmt::Display for ConnectionEndedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the new connection ended before it took the request")?;
        self.0.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl Error for ConnectionEndedError {}

/// A request of a pool failed on its connection. The source is hyper's error.
pub(crate) struct SendError {
    source: hyper::Error,
    connection: Option<Connection>,
}

impl SendError {
    pub(crate) const fn new(source: hyper::Error, connection: Option<Connection>) -> Self {
        Self { source, connection }
    }

    /// The record of the connection, if the connector is tracked.
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request failed on its connection")
    }
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").field(&self.source).finish()
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
