//! The head of a request, kept flat so that it can be sent again.

use http::header::{HeaderName, HeaderValue};
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// One allocation for all headers, whose names and values are shared with the request's own.
#[derive(Clone, Debug)]
pub(super) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
}

impl Head {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers().iter().map(|(name, value)| (name.clone(), value.clone()));
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: headers.collect(),
            extensions: request.extensions().clone(),
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }

    pub(super) fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        *request.headers_mut() = headers;
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_has_every_header_in_its_order() {
        let request = Request::post("http://localhost/a?b=c")
            .version(Version::HTTP_10)
            .header("x-one", "1")
            .header("x-two", "2")
            .header("x-one", "3")
            .extension(7_u8)
            .body(())
            .unwrap();
        let again = Head::of(&request).request(());
        assert_eq!((again.method(), again.uri()), (&Method::POST, request.uri()));
        assert_eq!(again.version(), Version::HTTP_10);
        assert_eq!(again.headers(), request.headers());
        assert_eq!(again.extensions().get::<u8>(), Some(&7));
    }
}
