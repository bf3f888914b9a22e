//! The head of a request, kept so that it can be sent again.

use std::fmt;

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

use super::decide::{IDEMPOTENCY_KEY, is_idempotent};

/// All but the headers, which are kept [flat](super::flat).
#[derive(Clone)]
pub(super) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    /// By its method, or by a key.
    idempotent: bool,
    extensions: Extensions,
}

/// Without what may be a secret.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Head {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let keyed = request.headers().contains_key(IDEMPOTENCY_KEY);
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            idempotent: keyed || is_idempotent(request.method()),
            extensions: request.extensions().clone(),
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    pub(super) fn request<B>(&self, headers: HeaderMap, body: B) -> Request<B> {
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
    fn retry_head_equals_first_and_debug_has_no_secret() {
        let request = Request::post("http://localhost/a?b=secret")
            .version(Version::HTTP_10)
            .header("authorization", "secret")
            .extension(7_u8)
            .body(())
            .unwrap();
        let again = Head::of(&request).request(request.headers().clone(), ());
        assert_eq!((again.method(), again.uri()), (&Method::POST, request.uri()));
        assert_eq!((again.version(), again.headers()), (Version::HTTP_10, request.headers()));
        assert_eq!(again.extensions().get::<u8>(), Some(&7));
        assert_eq!(format!("{:?}", Head::of(&request)), "Head { method: POST, .. }");
    }
}
