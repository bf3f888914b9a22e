//! The usual connector below TLS.

use super::Outbound;
use crate::tcp::TcpConnector;

impl Outbound {
    /// The system's resolver and TCP, timed, with every address that is tried told; goes below TLS.
    ///
    /// It has the time limit of [`connect_timeout`](crate::OutboundBuilder::connect_timeout). A resolver or options
    /// of your own: see [`TcpConnector`].
    #[must_use]
    pub fn http_connector(&self) -> TcpConnector {
        TcpConnector::new().connect_timeout(self.connect_limits.connect)
    }
}
