//! A resolver that knows only the peer's name.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper_util::client::legacy::connect::dns::Name;
use tower::{Service, service_fn};

use crate::peer::HOST;

/// Loopback for the name of the peer.
pub(crate) fn resolve(name: &str) -> io::Result<std::iter::Once<SocketAddr>> {
    match name == HOST {
        true => Ok(std::iter::once((Ipv4Addr::LOCALHOST, 0).into())),
        false => Err(io::Error::other("no such host")),
    }
}

/// The resolver as a service.
pub(crate) fn resolver() -> impl Service<
    Name,
    Response = std::iter::Once<SocketAddr>,
    Error = io::Error,
    Future = std::future::Ready<io::Result<std::iter::Once<SocketAddr>>>,
> + Clone
+ Send
+ Sync
+ 'static {
    service_fn(|name: Name| std::future::ready(resolve(name.as_str())))
}
