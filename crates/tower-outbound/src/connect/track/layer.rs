use std::any::Any;
use std::time::Duration;

use tower_layer::Layer;

use super::Track;
use super::guard::ClientAlive;
use crate::foreign::{DriveExecutor, ExecutorId};
use crate::record::{Registry, TlsInfo};
use crate::settings::ConnectTimeouts;

/// Tracks the connections of a connector: wraps the client's connector, above TLS, and its IO.
///
/// hyper-util races a connect against the pool, so a connect that ran for a request does not mean that the request used a new
/// connection. This layer finds the connection that served each attempt.
///
/// [`Outbound::connector`](crate::Outbound::connector) applies this layer.
#[derive(Clone, Debug)]
pub struct TrackLayer {
    registry: Registry,
    own: Option<ConnectTimeouts>,
    below_tls: bool,
    inspect: InspectStream,
    executor: Option<ExecutorId>,
}

/// What a connector's stream is.
#[derive(Debug)]
pub(crate) enum Transport {
    /// A socket: bytes go to it as they are.
    Plain,
    /// TLS, with what its handshake agreed on.
    #[cfg_attr(not(feature = "client"), expect(dead_code, reason = "no TLS stream is known"))]
    Tls(TlsInfo),
    /// A type that is not known.
    Unknown,
}

/// Tells what a stream is, by its type.
pub(crate) type InspectStream = fn(&dyn Any) -> Transport;

impl TrackLayer {
    /// Reads the timeouts from the registry's settings.
    pub(crate) const fn new(registry: Registry, inspect: InspectStream) -> Self {
        Self { registry, own: None, below_tls: false, inspect, executor: None }
    }

    fn set(mut self, change: impl FnOnce(&mut ConnectTimeouts)) -> Self {
        let mut own = self.own.unwrap_or_else(|| self.registry.settings().connect);
        change(&mut own);
        self.own = Some(own);
        self
    }

    /// The timeout of a connect, from the call of the connector to the end of the TLS handshake. Default: 10 s. Zero disables
    /// the timeout.
    ///
    /// When it elapses, the connector's future is dropped, which closes its socket. The error has
    /// [`Kind::ConnectTimeout`](crate::Kind::ConnectTimeout), or [`Kind::TlsTimeout`](crate::Kind::TlsTimeout) during the
    /// handshake. Disabled outside of a tokio runtime.
    ///
    /// # Panics
    /// A connect panics on a tokio runtime without the time driver, unless the timeout is zero.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        self.set(|own| own.connect = connect_timeout)
    }

    /// The timeout of the TLS handshake alone. Default: zero, which disables the timeout.
    ///
    /// The error has [`Kind::TlsTimeout`](crate::Kind::TlsTimeout). Requires a connector below TLS that reports its phases:
    /// [`TcpConnector`](crate::connect::TcpConnector), or any other in a [`PhaseLayer`](crate::connect::PhaseLayer).
    #[must_use]
    pub fn tls_timeout(self, tls_timeout: Duration) -> Self {
        self.set(|own| own.tls = tls_timeout)
    }

    /// Retires an HTTP/2 connection after this many timed-out attempts in a row during which no byte was read. Default: 2.
    /// Zero disables this.
    ///
    /// On HTTP/2 a timeout resets only the stream. Without this setting, a connection whose peer has vanished (a crash, an
    /// expired NAT or firewall entry) swallows one request after the other. Any byte from the peer, for example a PING,
    /// resets the count. An attempt that waits for its own request body does not count. If the client has several HTTP/2
    /// connections to the origin and does not name the one it uses, all of them must be silent, and those with streams count.
    ///
    /// Nothing is sent to the peer. The client reads a GOAWAY (`NO_ERROR`, the last stream that was sent; RFC 9113, section
    /// 6.8) that this layer injects. The client then opens no further streams, opens a new connection for the next request,
    /// and closes this one after its last stream. A request that the client is about to send on the connection fails with
    /// [`Kind::GoAway`](crate::Kind::GoAway) and [`NotProcessed`](crate::SendState::NotProcessed). If no frame can be
    /// injected because the peer went silent within a frame, or if the peer accepts no more bytes, reads and writes fail
    /// with [`std::io::ErrorKind::TimedOut`]. [`Event::ConnectionRetired`](crate::Event::ConnectionRetired) and a warning in
    /// the log precede the close, whose reason is [`CloseReason::Silent`](crate::connect::CloseReason::Silent).
    ///
    /// On HTTP/1 each timeout closes the connection, independent of this setting.
    #[must_use]
    pub fn retire_silent_after(self, attempts: u32) -> Self {
        self.set(|own| own.silent_attempts = attempts)
    }

    /// The executor of the client, which spawns the tasks of the connections. Default: not known.
    ///
    /// See [`DriveExecutor`].
    #[must_use]
    pub fn executor<E>(mut self, executor: &DriveExecutor<E>) -> Self {
        self.executor = Some(executor.id());
        self
    }

    /// Closes a connection that no attempt uses for this long. Default: that of the stack
    /// ([`OutboundBuilder::idle_timeout`](crate::outbound::OutboundBuilder::idle_timeout)). Zero: only the server's timeout
    /// counts.
    ///
    /// The connection closes earlier if the server announces with `Keep-Alive: timeout=N` that it closes it earlier: 1 s before
    /// that, or after half the time if that is later. So no request is sent into a connection that is closing.
    ///
    /// On HTTP/1 the client reads an end of file, on HTTP/2 a GOAWAY that this layer injects. hyper-util's pool is told
    /// before. A request that the client hands to the connection in the same moment comes back unsent, and the retry layer
    /// sends it on another connection. The reason is [`CloseReason::IdleTimeout`](crate::connect::CloseReason::IdleTimeout).
    ///
    /// Does not apply if TLS runs above this layer, after a request that no observe layer saw, nor on HTTP/1 before the first
    /// request: the pool closes such a connection.
    #[must_use]
    pub fn idle_timeout(self, idle_timeout: Duration) -> Self {
        self.set(|own| own.idle = Some(idle_timeout))
    }

    /// Declares that TLS runs above this layer, as in tonic's own TLS. Default: `false`.
    ///
    /// An `https` connect then has no phase [`Tls`](crate::Phase::Tls), bytes are counted as ciphertext, and neither streams
    /// nor GOAWAY are visible. If the client writes plain text for an `https` URI, the first write fails: nothing is sent, and
    /// the request is not retried.
    ///
    /// The connect timeout ends before TLS: set one for TLS where TLS is configured.
    #[must_use]
    pub const fn below_tls(mut self, below_tls: bool) -> Self {
        self.below_tls = below_tls;
        self
    }
}

impl<S> Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Track<S> {
        let Self { registry, own, below_tls, inspect, executor } = self.clone();
        Track { inner, registry, own, below_tls, inspect, executor, client: ClientAlive::default() }
    }
}
