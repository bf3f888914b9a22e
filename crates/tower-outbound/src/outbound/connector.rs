//! The usual connector below TLS.

use super::Outbound;
use crate::connect::TcpConnector;

impl Outbound {
    /// The system's resolver and TCP, timed, with every address that is tried told; goes below TLS.
    ///
    /// It has the timeout of [`connect_timeout`](crate::outbound::OutboundBuilder::connect_timeout). A resolver or options
    /// of your own: see [`TcpConnector`].
    #[must_use]
    pub fn http_connector(&self) -> TcpConnector {
        TcpConnector::new().connect_timeout(self.registry.settings().connect.connect)
    }
}
