use std::time::Duration;

use tower_layer::Layer;

use super::{ConnectLimits, Track};
use crate::connect::Registry;

/// Tracks the connections of a connector: sits above TLS, around the client's connector, and wraps the IO.
///
/// Unlike a timer around the connector, it knows which connection served which exchange: hyper-util races a
/// connect against the pool, so "a connect ran for this request" says nothing about reuse.
///
/// [`Outbound::connector`](crate::Outbound::connector) is this layer, applied.
#[derive(Clone, Debug)]
pub struct TrackLayer {
    registry: Registry,
    limits: ConnectLimits,
}

impl TrackLayer {
    /// Tracks in this registry.
    #[must_use]
    pub const fn new(registry: Registry) -> Self {
        Self { registry, limits: ConnectLimits::new() }
    }

    /// How long a connect may take, from the call of the connector until TLS is done: 10 s unless set; zero is off.
    ///
    /// When it is hit, the connector's future is dropped, which closes its socket, and the error is of
    /// [`Kind::ConnectTimeout`](crate::Kind::ConnectTimeout), or of [`Kind::TlsTimeout`](crate::Kind::TlsTimeout)
    /// where the handshake was running. Outside a runtime of tokio it is off.
    ///
    /// # Panics
    /// The connect does, on a runtime of tokio without time enabled; with zero it does not.
    #[must_use]
    pub const fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.limits.connect = connect_timeout;
        self
    }

    /// How long the TLS handshake alone may take: off unless set; zero is off.
    ///
    /// The error is of [`Kind::TlsTimeout`](crate::Kind::TlsTimeout). Only where the connector below TLS tells its
    /// phases, as [`TcpConnector`](crate::TcpConnector) and one in a [`PhaseLayer`](crate::PhaseLayer) do.
    #[must_use]
    pub const fn tls_timeout(mut self, tls_timeout: Duration) -> Self {
        self.limits.tls = tls_timeout;
        self
    }

    pub(crate) const fn limits(mut self, limits: ConnectLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl<S> Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Track<S> {
        Track { inner, registry: self.registry.clone(), limits: self.limits }
    }
}
