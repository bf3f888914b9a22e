//! The usual connector below TLS, with its stages timed.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use tower_layer::Layer;

use super::Outbound;
use crate::phase::{PhaseLayer, Phased};

/// A resolver and a TCP connector, each with its phase timed.
pub type TcpConnector = Phased<HttpConnector<Phased<GaiResolver>>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Outbound {
    /// The system's resolver and hyper-util's TCP connector, with their phases timed; goes below TLS.
    ///
    /// TCP_NODELAY is on, a connect may take 10 s; `get_mut().get_mut()` reaches hyper-util's options.
    #[must_use]
    pub fn http_connector(&self) -> TcpConnector {
        let mut http = HttpConnector::new_with_resolver(PhaseLayer::dns().layer(GaiResolver::new()));
        // Schemes are the TLS connector's business above.
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        PhaseLayer::tcp().layer(http)
    }
}
