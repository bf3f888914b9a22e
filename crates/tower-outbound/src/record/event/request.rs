//! The heads of a request and a response, as observers see them.

use std::fmt;

use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};

/// A request's head. `Debug` shows the method only: the rest may hold secrets.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URI, with whatever user, password or query it has.
    pub uri: &'a Uri,
    /// The version asked for; the one negotiated is the connection's.
    pub version: Version,
    /// The headers, before observers have written theirs.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
    /// The body's exact size in bytes, where it is known beforehand.
    pub body_size: Option<u64>,
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("method", self.method).finish_non_exhaustive()
    }
}

/// A response's head. `Debug` shows status and version only: headers may hold secrets.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    /// The version that was spoken.
    pub version: Version,
    /// The headers.
    pub headers: &'a HeaderMap,
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
