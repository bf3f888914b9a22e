//! Where a request goes, and how its head is written for that.

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version};

use super::conn::Conn;
use crate::error::{BoxError, Error};
use crate::record::{Origin, OriginParts};
use crate::util::{self, user_info};

/// What a connection may leave of the URI of a request: so that the request can go to another connection.
#[derive(Debug)]
pub(super) struct Target {
    scheme: Scheme,
    authority: Authority,
    /// If the request's attempt has looked it up.
    origin: Option<Origin>,
    /// The host where it has upper-case letters: hosts are case-insensitive.
    lower_host: Option<Box<str>>,
    is_connect: bool,
}

impl Target {
    /// Where the request goes. Takes user info out of its URI. `origin`: that of its attempt.
    ///
    /// # Errors
    /// The URI is not absolute, or the version of HTTP is none that a client sends.
    pub(super) fn of<B>(request: &mut Request<B>, origin: Option<&Origin>) -> Result<Self, BoxError> {
        let is_connect = request.method() == Method::CONNECT;
        let version = request.version();
        let known = matches!(version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2);
        if !known || (is_connect && version == Version::HTTP_10) {
            let method = request.method();
            return Err(invalid(format!("a {method} request cannot be sent as {version:?}")));
        }
        let origin = origin.filter(|origin| origin.is_named_by(request.uri())).cloned();
        if origin.is_none() {
            user_info::move_to_header(request);
        }
        let uri = request.uri();
        let Some(authority) = uri.authority().cloned() else {
            return Err(not_absolute());
        };
        let scheme = match uri.scheme() {
            Some(scheme) => scheme.clone(),
            // The authority form of CONNECT (RFC 9112, section 3.2.3).
            None if is_connect && authority.port_u16() == Some(443) => Scheme::HTTPS,
            None if is_connect => Scheme::HTTP,
            None => return Err(not_absolute()),
        };
        let upper = origin.is_none() && authority.as_str().bytes().any(|byte| byte.is_ascii_uppercase());
        let lower_host = upper.then(|| authority.host().to_ascii_lowercase().into_boxed_str());
        Ok(Self { scheme, authority, origin, lower_host, is_connect })
    }

    /// The parts of the origin, and their hash.
    pub(super) fn hashed_parts(&self) -> (OriginParts<'_>, u64) {
        match &self.origin {
            Some(origin) => (origin.parts(), origin.hash()),
            None => {
                let parts = self.parts();
                (parts, parts.hash())
            }
        }
    }

    pub(super) fn parts(&self) -> OriginParts<'_> {
        let scheme = self.scheme.as_str();
        let util::Authority { host, port, .. } = util::Authority::split(self.authority.as_str());
        let port = port.and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| util::http::default_port(scheme));
        let host = self.lower_host.as_deref().unwrap_or(host);
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        OriginParts { scheme, host, port }
    }

    /// The URI for the connector.
    pub(super) fn origin_uri(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).expect("the parts are those of a URI")
    }

    /// Writes the head as the connection takes it.
    ///
    /// # Errors
    /// The request asks for HTTP/2, and the connection has HTTP/1.
    pub(super) fn prepare<B, C>(
        &self,
        request: &mut Request<B>,
        conn: &Conn<C>,
        set_host: bool,
    ) -> Result<(), BoxError> {
        if conn.is_http2() {
            if self.is_connect {
                self.authority_form(request);
            }
            return Ok(());
        }
        if request.version() == Version::HTTP_2 {
            return Err(invalid("the request asks for HTTP/2, and the connection speaks HTTP/1".to_owned()));
        }
        if set_host {
            let host = || conn.host(&self.authority, || self.host());
            request.headers_mut().entry(HOST).or_insert_with(host);
        }
        if self.is_connect {
            self.authority_form(request);
        } else if !conn.is_proxied() || self.scheme == Scheme::HTTPS {
            // A proxy sees no request inside of a tunnel.
            origin_form(request.uri_mut());
        }
        Ok(())
    }

    /// Makes the URI of a request that came back absolute again.
    pub(super) fn restore<B>(&self, request: &mut Request<B>) {
        if self.is_connect || request.uri().scheme().is_some() {
            return;
        }
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from_parts(parts).expect("the parts are those of a URI");
    }

    fn authority_form<B>(&self, request: &mut Request<B>) {
        let mut parts = http::uri::Parts::default();
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts).expect("an authority is a URI");
    }

    /// The value of `host`: the port is left out where it is the scheme's default (RFC 9110, section 7.2).
    fn host(&self) -> HeaderValue {
        let authority = self.authority.as_str();
        let default = util::http::default_port(self.scheme.as_str());
        let host = match self.authority.port_u16() {
            Some(port) if port == default => self.authority.host(),
            _ => authority,
        };
        HeaderValue::from_str(host).expect("an authority is a valid header value")
    }
}

/// Leaves path and query only (RFC 9112, section 3.2.1).
fn origin_form(uri: &mut Uri) {
    let path = match uri.path_and_query() {
        Some(path) if path.as_str() != "/" => {
            let mut parts = http::uri::Parts::default();
            parts.path_and_query = Some(path.clone());
            Uri::from_parts(parts).expect("a path is a URI")
        }
        _ => Uri::default(),
    };
    *uri = path;
}

fn invalid(message: String) -> BoxError {
    Error::invalid_request(message).into()
}

fn not_absolute() -> BoxError {
    invalid("the URI is not absolute: it must be http://host/path or https://host/path".to_owned())
}
