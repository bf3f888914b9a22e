//! The parts of a request that every retry of it shares.

use std::fmt;

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// Method, URI, version and extensions of a request. The headers are in a
/// [`HeaderSnapshot`](super::headers::HeaderSnapshot).
#[derive(Clone)]
pub(in crate::retry) struct RequestParts {
    method: Method,
    uri: Uri,
    version: Version,
    extensions: Extensions,
}

/// Prints the method alone: the other parts may hold secrets.
impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts").field("method", &self.method).finish_non_exhaustive()
    }
}

impl RequestParts {
    pub(in crate::retry) fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            extensions: request.extensions().clone(),
        }
    }

    pub(in crate::retry) fn method(&self) -> &Method {
        &self.method
    }

    pub(in crate::retry) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// A new request made of clones of these parts.
    pub(in crate::retry) fn to_request<B>(&self, headers: HeaderMap, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        *request.headers_mut() = headers;
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_parts_equal_first_and_debug_has_no_secret() {
        let request = Request::post("http://localhost/a?b=secret")
            .version(Version::HTTP_10)
            .header("authorization", "secret")
            .extension(7_u8)
            .body(())
            .unwrap();
        let retry = RequestParts::of(&request).to_request(request.headers().clone(), ());
        assert_eq!((retry.method(), retry.uri()), (&Method::POST, request.uri()));
        assert_eq!((retry.version(), retry.headers()), (Version::HTTP_10, request.headers()));
        assert_eq!(retry.extensions().get::<u8>(), Some(&7));
        assert_eq!(format!("{:?}", RequestParts::of(&request)), "RequestParts { method: POST, .. }");
    }
}
