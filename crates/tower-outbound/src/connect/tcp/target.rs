//! [`Target`]: the host and port of a URI.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use http::uri::Scheme;

use crate::error::TcpConnectError;
use crate::record::OriginParts;
use crate::util::http::HostPort;

pub(super) struct Target<'a> {
    pub(super) host: &'a str,
    port: u16,
    /// Whether the URI has a port. A resolved port is then ignored.
    has_port: bool,
}

impl<'a> Target<'a> {
    pub(super) fn of(uri: &'a Uri, only_http: bool) -> Result<Self, TcpConnectError> {
        let Some(scheme) = uri.scheme() else {
            return Err(TcpConnectError::bad_uri("it has no scheme"));
        };
        if only_http && *scheme != Scheme::HTTP {
            let message = format!("its scheme is `{scheme}`, and `enforce_http` allows only `http`");
            return Err(TcpConnectError::bad_uri(&message));
        }
        let Some(parts) = OriginParts::of(uri) else {
            return Err(TcpConnectError::bad_uri("it has no host"));
        };
        if parts.port == 0 {
            let message = format!("it has no port, and scheme `{scheme}` has none that is known");
            return Err(TcpConnectError::bad_uri(&message));
        }
        Ok(Self { host: parts.host, port: parts.port, has_port: uri.port().is_some() })
    }

    /// `host:port` in lower case, with brackets around an IPv6 address.
    pub(super) fn authority(&self) -> String {
        let mut authority = HostPort { host: self.host, port: self.port }.to_string();
        authority.make_ascii_lowercase();
        authority
    }

    /// The address, if the host is an IP address.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Sets the port of a resolved address, unless the resolver gave one (from a service record, say) and the URI none.
    pub(super) fn with_port(&self, mut resolved: SocketAddr) -> SocketAddr {
        if self.has_port || resolved.port() == 0 {
            resolved.set_port(self.port);
        }
        resolved
    }
}
