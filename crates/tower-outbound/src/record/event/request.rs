//! The heads of a request and a response, as observers see them.

use std::fmt;

use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};

/// The head of a request. `Debug` shows only the method: the rest may contain secrets.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The whole URI, including user, password and query.
    pub uri: &'a Uri,
    /// The version of the request. The connection has the negotiated one.
    pub version: Version,
    /// The headers, before observers write theirs.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
    /// The exact size of the body in bytes, if it is known in advance.
    pub body_size: Option<u64>,
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("method", self.method).finish_non_exhaustive()
    }
}

/// The head of a response. `Debug` shows only status and version: headers may contain secrets.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    /// The version of the response.
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
