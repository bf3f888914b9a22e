use std::any::Any;
use std::time::Duration;

use tower_layer::Layer;

use super::Track;
use crate::record::{Registry, TlsInfo};
use crate::settings::ConnectTimeouts;

/// Tracks the connections of a connector: sits above TLS, around the client's connector, and wraps the IO.
///
/// Unlike a timer around the connector, it knows which connection served which attempt: hyper-util races a
/// connect against the pool, so "a connect ran for this request" says nothing about reuse.
///
/// [`Outbound::connector`](crate::Outbound::connector) is this layer, applied.
#[derive(Clone, Debug)]
pub struct TrackLayer {
    registry: Registry,
    own: Option<ConnectTimeouts>,
    below_tls: bool,
    tls_info: InspectTls,
}

/// Returns what TLS agreed on, for stream types that are known.
pub(crate) type InspectTls = fn(&dyn Any) -> Option<TlsInfo>;

impl TrackLayer {
    /// Reads the timeouts from the registry's settings.
    pub(crate) const fn new(registry: Registry, tls_info: InspectTls) -> Self {
        Self { registry, own: None, below_tls: false, tls_info }
    }

    fn set(mut self, change: impl FnOnce(&mut ConnectTimeouts)) -> Self {
        let mut own = self.own.unwrap_or_else(|| self.registry.settings().connect);
        change(&mut own);
        self.own = Some(own);
        self
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
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        self.set(|own| own.connect = connect_timeout)
    }

    /// How long the TLS handshake alone may take: off unless set; zero is off.
    ///
    /// The error is of [`Kind::TlsTimeout`](crate::Kind::TlsTimeout). Only where the connector below TLS tells its
    /// phases, as [`TcpConnector`](crate::connect::TcpConnector) and one in a [`PhaseLayer`](crate::connect::PhaseLayer) do.
    #[must_use]
    pub fn tls_timeout(self, tls_timeout: Duration) -> Self {
        self.set(|own| own.tls = tls_timeout)
    }

    /// After how many attempts in a row that run into a timeout, while nothing at all is read on their HTTP/2
    /// connection, that connection is retired: 2 unless set; 0 is off.
    ///
    /// So a connection whose peer is gone without a word (a crash, a NAT or firewall that has forgotten it) swallows
    /// so many requests and not one after the other, since on HTTP/2 a timeout costs the stream alone. Any byte of
    /// the peer, a PING or another stream's, begins the count anew. An attempt that waits for its own request's body
    /// does not count. Where a client has several HTTP/2 connections to the origin and names none, all must be
    /// silent, and those that have streams count.
    ///
    /// The peer is told nothing: the client reads a GOAWAY (`NO_ERROR`, the last stream that was sent; RFC 9113,
    /// section 6.8) that this side has made. It opens no further stream, connects anew for the next request, lets
    /// streams in flight end, and closes the connection after the last. A request that the client has on its way to
    /// the connection in that moment fails with [`Kind::GoAway`](crate::Kind::GoAway), as
    /// [`NotProcessed`](crate::SendState::NotProcessed): nothing of it was sent. Where no frame can be put in, since
    /// the peer went silent within one, and where the peer takes no byte any more, reading or writing fails with
    /// [`std::io::ErrorKind::TimedOut`]. The reason of the close is [`CloseReason::Silent`](crate::connect::CloseReason::Silent);
    /// before it there is an [`Event::ConnectionRetired`](crate::Event::ConnectionRetired) and a warning in the log.
    ///
    /// On HTTP/1 each attempt that runs into a timeout closes its connection, whatever is set here.
    #[must_use]
    pub fn retire_silent_after(self, attempts: u32) -> Self {
        self.set(|own| own.silent_attempts = attempts)
    }

    /// TLS runs above this layer, out of its sight, as tonic's own does: an `https` connect has no phase
    /// [`Tls`](crate::Phase::Tls) then. Off unless set.
    ///
    /// What passes is ciphertext: its bytes are counted as such, and neither streams nor GOAWAY are seen. What is no TLS
    /// does not pass where the URI is `https`: the first write fails, nothing goes out, and nothing is sent again.
    ///
    /// The limit of the connect ends below TLS: whoever does TLS needs one of its own.
    #[must_use]
    pub const fn below_tls(mut self, below_tls: bool) -> Self {
        self.below_tls = below_tls;
        self
    }
}

impl<S> Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Track<S> {
        let Self { registry, own, below_tls, tls_info } = self.clone();
        Track { inner, registry, own, below_tls, tls_info }
    }
}
