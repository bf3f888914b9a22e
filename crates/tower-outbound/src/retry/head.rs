//! The head of a request, kept flat so that it can be sent again.

use std::fmt;

use bytes::{BufMut, Bytes};
use http::header::{HeaderName, HeaderValue};
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

use super::decide::{IDEMPOTENCY_KEY, is_idempotent};

/// One allocation for all headers: clones of names and values would cost one each where they are new.
#[derive(Clone)]
pub(super) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    /// Of each header the two lengths, whether it is sensitive, name and value.
    headers: Bytes,
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

/// What stands before a name and its value.
const PREFIX: usize = 4 + 4 + 1;

impl Head {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let keyed = request.headers().contains_key(IDEMPOTENCY_KEY);
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: flat(request.headers()),
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

    pub(super) fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        *request.headers_mut() = map(self.headers.clone());
        request
    }
}

fn flat(headers: &HeaderMap) -> Bytes {
    let size = |(name, value): (&HeaderName, &HeaderValue)| PREFIX + name.as_str().len() + value.len();
    let mut flat = Vec::with_capacity(headers.iter().map(size).sum());
    for (name, value) in headers {
        let name = name.as_str().as_bytes();
        // No header is as long as 4 GiB.
        flat.put_u32(u32::try_from(name.len()).unwrap_or_default());
        flat.put_u32(u32::try_from(value.len()).unwrap_or_default());
        flat.put_u8(u8::from(value.is_sensitive()));
        flat.put_slice(name);
        flat.put_slice(value.as_bytes());
    }
    flat.into()
}

fn map(mut flat: Bytes) -> HeaderMap {
    use bytes::Buf as _;

    let mut headers = HeaderMap::new();
    while flat.remaining() >= PREFIX {
        let (name, value, sensitive) = (flat.get_u32() as usize, flat.get_u32() as usize, flat.get_u8() == 1);
        let (name, value) = (flat.split_to(name), flat.split_to(value));
        let parsed = (HeaderName::from_bytes(&name), HeaderValue::from_maybe_shared(value));
        // They were valid when they were taken.
        if let (Ok(name), Ok(mut value)) = parsed {
            value.set_sensitive(sensitive);
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_has_every_header_in_its_order() {
        let mut secret = HeaderValue::from_static("Bearer abc");
        secret.set_sensitive(true);
        let request = Request::post("http://localhost/a?b=c")
            .version(Version::HTTP_10)
            .header("x-one", "1")
            .header("x-two", "2")
            .header("x-one", "3")
            .header("x-bytes", HeaderValue::from_bytes(b"\xff\t").unwrap())
            .header("x-empty", "")
            .header("authorization", secret)
            .extension(7_u8)
            .body(())
            .unwrap();
        let again = Head::of(&request).request(());
        assert_eq!((again.method(), again.uri()), (&Method::POST, request.uri()));
        assert_eq!(again.version(), Version::HTTP_10);
        assert_eq!(again.headers(), request.headers());
        let order = |request: &Request<()>| request.headers().keys().cloned().collect::<Vec<_>>();
        assert_eq!(order(&again), order(&request));
        assert!(again.headers()["authorization"].is_sensitive() && !again.headers()["x-one"].is_sensitive());
        assert_eq!(again.extensions().get::<u8>(), Some(&7));
        assert_eq!(format!("{:?}", Head::of(&request)), "Head { method: POST, .. }");
    }
}
