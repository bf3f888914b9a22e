//! Where to: what a URI says.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use http::uri::Scheme;

use crate::error::TcpConnectError;
use crate::record::OriginParts;
use crate::util::http::HostPort;

pub(super) struct Target {
    pub(super) host: String,
    /// Host and port as people write them; in lower case.
    pub(super) authority: String,
    port: u16,
    /// Whether the URI names the port: then the resolver's does not count.
    port_is_named: bool,
}

impl Target {
    pub(super) fn of(uri: &Uri, only_http: bool) -> Result<Self, TcpConnectError> {
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
        let mut authority = HostPort { host: parts.host, port: parts.port }.to_string();
        authority.make_ascii_lowercase();
        Ok(Self {
            host: parts.host.to_owned(),
            authority,
            port: parts.port,
            port_is_named: uri.port().is_some(),
        })
    }

    /// The address, where the URI names one instead of a host.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// A resolver that knows the port (of a service record, say) names it; most leave 0.
    pub(super) fn at(&self, mut resolved: SocketAddr) -> SocketAddr {
        if self.port_is_named || resolved.port() == 0 {
            resolved.set_port(self.port);
        }
        resolved
    }
}
