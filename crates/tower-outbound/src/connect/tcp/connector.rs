use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

use super::failed_addresses::FailedAddresses;
use super::options::TcpOptions;
use super::order::{FirstFamily, order};
use super::race::{NoWinner, Race};
use super::resolver::{Resolver, distinct};
use super::running_phase::RunningPhase;
use super::target::Target;
use super::{TcpConnecting, TcpIo};
use crate::error::{BoxError, TcpConnectError};
use crate::failure::{Failure, Phase};
use crate::record::{Registry, Setup};
use crate::settings::TcpSettings;

/// Resolves a host and connects to the first of its addresses that answers (RFC 8305, Happy Eyeballs 2).
///
/// Place it below TLS, instead of hyper-util's `HttpConnector`; [`Outbound::http_connector`] makes one. Below a
/// [`TrackLayer`](crate::connect::TrackLayer), it reports the phases `dns` and `tcp`, the resolved addresses and every
/// tried address; neither it nor its resolver needs a [`PhaseLayer`](crate::connect::PhaseLayer). A host that is an IP
/// address is not resolved and has no phase `dns`.
///
/// # RFC 8305
/// * Section 3, queries: left to the resolver, which answers once. At most 64 addresses are used.
/// * Section 4, sorting: the families alternate, each in the resolver's order ([`first_family`]). The address that
///   failed last for this host and port goes last for 10 minutes; an address that was overtaken counts as failed.
///   Clones share this memory of at most 1,000 origins.
/// * Section 5, attempts: each starts [`attempt_delay`] after the previous one, or at once when that one failed. The
///   first connection wins. Running attempts are dropped, and no further attempt starts.
/// * Section 8, values: a delay of 250 ms, at least 10 ms.
///
/// [`first_family`]: Self::first_family
/// [`attempt_delay`]: Self::attempt_delay
///
/// # Errors
/// A [`TcpConnectError`] with every tried address and its error. The kind is
/// [`Kind::InvalidRequest`](crate::Kind::InvalidRequest) if the URI has no scheme or no host, or has no port and its scheme
/// has no known default.
///
/// # Cancel safety
/// See [`TcpConnecting`].
///
/// # Example
/// ```
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// use hyper_util::client::legacy::connect::dns::Name;
/// use tower::{ServiceExt, service_fn};
/// use tower_outbound::connect::TcpConnector;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let port = server.local_addr()?.port();
///
/// // Any service from a name to addresses. Port 0: the URI's port is used.
/// let resolver = service_fn(|name: Name| async move {
///     match name.as_str() {
///         "db.internal" => Ok([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))].into_iter()),
///         other => Err(format!("unknown name: {other}")),
///     }
/// });
/// let tcp = TcpConnector::new().resolver(resolver).connect_timeout(std::time::Duration::from_secs(2));
///
/// let uri: http::Uri = format!("http://db.internal:{port}/").parse()?;
/// let io = tcp.clone().oneshot(uri).await?;
/// assert_eq!(io.inner().peer_addr()?, server.local_addr()?);
///
/// let error = tcp.oneshot("http://other.internal/".parse()?).await.unwrap_err();
/// assert_eq!(error.to_string(), "`other.internal` could not be resolved");
/// # Ok(())
/// # }
/// ```
///
/// [`Outbound::http_connector`]: crate::Outbound::http_connector
#[derive(Clone)]
pub struct TcpConnector {
    options: Arc<TcpOptions>,
    /// Whose settings it takes.
    registry: Option<Registry>,
    /// The connect timeout is its own.
    own_timeout: bool,
    resolver: Resolver,
    /// Whether the resolver sorts addresses by reachability (RFC 6724).
    sorts: bool,
    failed: Arc<FailedAddresses>,
}

impl TcpConnector {
    /// Uses the system's resolver (`getaddrinfo` on a blocking thread).
    #[must_use]
    pub fn new() -> Self {
        Self {
            options: Arc::default(),
            registry: None,
            own_timeout: false,
            resolver: Resolver::new(GaiResolver::new()),
            sorts: true,
            failed: Arc::default(),
        }
    }

    /// Sets the resolver: any service from a [`Name`] to addresses. Default: the system's resolver.
    ///
    /// A resolved port is used if the URI has none. Port 0 stands for the scheme's default port.
    #[must_use]
    pub fn resolver<R>(mut self, resolver: R) -> Self
    where
        R: Service<Name> + Clone + Send + Sync + 'static,
        R::Response: Iterator<Item = SocketAddr>,
        R::Error: Into<BoxError>,
        R::Future: Send,
    {
        self.resolver = Resolver::new(resolver);
        self.sorts = false;
        self
    }

    /// Limits the time of a connect, name resolution included. Default: 10 s. Zero disables the timeout.
    ///
    /// A [`TrackLayer`](crate::connect::TrackLayer) above has a timeout of its own, which includes TLS.
    /// [`OutboundBuilder::connect_timeout`](crate::outbound::OutboundBuilder::connect_timeout) sets both.
    #[must_use]
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.own_timeout = true;
        self.with(|options| options.connect_timeout = connect_timeout)
    }

    /// Sets the time after which the next address is tried beside the current one (RFC 8305, section 5). Default: 250 ms.
    ///
    /// Values below 10 ms count as 10 ms. Zero: the next address is tried only when the current one has failed.
    #[must_use]
    pub fn attempt_delay(self, attempt_delay: Duration) -> Self {
        self.set(move |tcp| tcp.attempt_delay = attempt_delay)
    }

    /// Sets the family that is tried first. Default: as resolved with the system's resolver, IPv6 with any other.
    #[must_use]
    pub fn first_family(self, first_family: FirstFamily) -> Self {
        self.with(|options| options.first_family = Some(first_family))
    }

    /// Refuses every scheme but `http`. Default: off, since a TLS connector above handles `https`.
    #[must_use]
    pub fn enforce_http(self, enforce_http: bool) -> Self {
        self.with(|options| options.enforce_http = enforce_http)
    }

    /// Sets `TCP_NODELAY`. Default: on.
    #[must_use]
    pub fn nodelay(self, nodelay: bool) -> Self {
        self.set(move |tcp| tcp.nodelay = nodelay)
    }

    /// Sets the idle time before the first probe of `SO_KEEPALIVE`, in whole seconds. Default: 15 s. Zero: no probes.
    ///
    /// Probes find a peer that is gone while a request waits for its answer, and on an idle connection.
    #[must_use]
    pub fn keepalive(self, time: Duration) -> Self {
        self.set(move |tcp| tcp.keepalive = time)
    }

    /// Sets the time between two probes of [`keepalive`](Self::keepalive). Default: 15 s. Zero: the system's. Ignored where
    /// unsupported.
    #[must_use]
    pub fn keepalive_interval(self, interval: Duration) -> Self {
        self.set(move |tcp| tcp.keepalive_interval = interval)
    }

    /// Sets the number of unanswered probes of [`keepalive`](Self::keepalive) after which the connection is dropped. Default:
    /// 3. Ignored where unsupported. On Linux, [`tcp_user_timeout`](Self::tcp_user_timeout) replaces it.
    #[must_use]
    pub fn keepalive_retries(self, retries: u32) -> Self {
        self.set(move |tcp| tcp.keepalive_retries = retries)
    }

    /// Binds sockets to this address. Only addresses of its family are tried.
    #[must_use]
    pub fn local_address(self, local: IpAddr) -> Self {
        self.set(move |tcp| {
            (tcp.local.ipv4, tcp.local.ipv6) = match local {
                IpAddr::V4(local) => (Some(local), None),
                IpAddr::V6(local) => (None, Some(local)),
            };
        })
    }

    /// Binds sockets to these addresses, each for its family.
    #[must_use]
    pub fn local_addresses(self, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Self {
        self.set(move |tcp| (tcp.local.ipv4, tcp.local.ipv6) = (Some(ipv4), Some(ipv6)))
    }

    /// Sets `SO_REUSEADDR`. Default: off.
    #[must_use]
    pub fn reuse_address(self, reuse_address: bool) -> Self {
        self.set(move |tcp| tcp.reuse_address = reuse_address)
    }

    /// Sets `SO_SNDBUF` in bytes; Linux doubles the value. Default: zero, the system's.
    #[must_use]
    pub fn send_buffer_size(self, bytes: usize) -> Self {
        self.set(move |tcp| tcp.send_buffer_size = bytes)
    }

    /// Sets `SO_RCVBUF` in bytes; Linux doubles the value. Default: zero, the system's.
    #[must_use]
    pub fn recv_buffer_size(self, bytes: usize) -> Self {
        self.set(move |tcp| tcp.recv_buffer_size = bytes)
    }

    /// Binds sockets to this network interface (`SO_BINDTODEVICE`).
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    #[must_use]
    pub fn interface(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.set(move |tcp| tcp.interface = Some(name.clone()))
    }

    /// Sets `TCP_USER_TIMEOUT` (RFC 5482), in whole milliseconds. Default: 30 s. Zero leaves it to the system: many minutes.
    ///
    /// It is the time that sent bytes may stay unacknowledged, that bytes may wait to be sent since the peer's window is
    /// closed, and that keep-alive probes may stay unanswered. After it, the system closes the connection with `ETIMEDOUT`.
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    #[must_use]
    pub fn tcp_user_timeout(self, time: Duration) -> Self {
        self.set(move |tcp| tcp.user_timeout = time)
    }

    /// Takes the connect timeout and the options of sockets of a stack, except for what the code sets here.
    pub(crate) fn follow(mut self, registry: Registry) -> Self {
        self.with_settings(&registry);
        self.registry = Some(registry);
        self
    }

    fn with_settings(&mut self, registry: &Registry) {
        let settings = registry.settings();
        let timeout = settings.connect.connect;
        if !self.own_timeout && timeout != self.options.connect_timeout {
            Arc::make_mut(&mut self.options).connect_timeout = timeout;
        }
        if !self.options.are_of(&settings.tcp) {
            Arc::make_mut(&mut self.options).follow(&settings.tcp);
        }
    }

    /// A copy for one connect, with the settings in force.
    fn for_connect(&self) -> Self {
        let mut connector = self.clone();
        if let Some(registry) = connector.registry.take() {
            connector.with_settings(&registry);
        }
        connector
    }

    fn set(self, change: impl Fn(&mut TcpSettings) + Send + Sync + 'static) -> Self {
        self.with(|options| options.change(change))
    }

    fn with(mut self, set: impl FnOnce(&mut TcpOptions)) -> Self {
        set(Arc::make_mut(&mut self.options));
        self
    }

    async fn connect(
        self,
        uri: Uri,
        deadline: Option<Instant>,
        setup: Option<Setup>,
    ) -> Result<TcpStream, TcpConnectError> {
        let target = Target::of(&uri, self.options.enforce_http)?;
        let addresses = match target.literal() {
            Some(address) => vec![address],
            None => self.resolve(&target, deadline, setup.as_ref()).await?,
        };
        let phase = RunningPhase::begin(setup.as_ref(), Phase::Tcp);
        let result = self.race(&target, addresses, deadline, setup.clone()).await;
        phase.end(result.as_ref().err().map(TcpConnectError::failure));
        result
    }

    async fn resolve(
        &self,
        target: &Target<'_>,
        deadline: Option<Instant>,
        setup: Option<&Setup>,
    ) -> Result<Vec<SocketAddr>, TcpConnectError> {
        let host = target.host;
        let phase = RunningPhase::begin(setup, Phase::Dns);
        let lookup = async {
            let resolved = self.resolver.resolve(host).await;
            resolved.map_err(|error| {
                let failure = Failure::of(&*error).in_setup(Some(Phase::Dns));
                TcpConnectError::lookup(host, failure, error)
            })
        };
        let timed_out = |_| Err(TcpConnectError::lookup_timed_out(host, self.options.connect_timeout));
        let result = match deadline {
            Some(deadline) => timeout_at(deadline, lookup).await.unwrap_or_else(timed_out),
            None => lookup.await,
        };
        let result = result.and_then(|resolved| match resolved.is_empty() {
            true => Err(TcpConnectError::no_answer(host)),
            false => Ok(distinct(resolved.into_iter().map(|address| target.with_port(address)))),
        });
        if let (Some(setup), Ok(addresses)) = (setup, &result) {
            setup.set_dns_answers(distinct(addresses.iter().map(SocketAddr::ip)));
        }
        phase.end(result.as_ref().err().map(TcpConnectError::failure));
        result
    }

    async fn race(
        &self,
        target: &Target<'_>,
        mut addresses: Vec<SocketAddr>,
        deadline: Option<Instant>,
        setup: Option<Setup>,
    ) -> Result<TcpStream, TcpConnectError> {
        addresses.retain(|address| self.options.allows(address));
        if addresses.is_empty() {
            return Err(TcpConnectError::no_local_address(target.host));
        }
        let only_one = addresses.len() == 1;
        if !only_one {
            let default = if self.sorts { FirstFamily::AsResolved } else { FirstFamily::Ipv6 };
            let first = self.options.first_family.unwrap_or(default);
            addresses = order(addresses, first, self.failed.last_failed(&target.authority()));
        }

        let connect = |address| async move { self.options.socket(address)?.connect(address).await };
        let race = Race::new(connect, addresses, self.options.delay(), deadline, setup);
        let (result, ended) = race.run().await;
        if !only_one {
            self.failed.record(&target.authority(), ended.iter().map(|ended| &ended.attempt));
        }
        result.map_err(|why| match why {
            NoWinner::AllFailed => TcpConnectError::all_failed(&target.authority(), ended),
            NoWinner::TimedOut => {
                TcpConnectError::timed_out(&target.authority(), self.options.connect_timeout, ended)
            }
        })
    }
}

impl Default for TcpConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Uri> for TcpConnector {
    type Response = TcpIo;
    type Error = TcpConnectError;
    type Future = TcpConnecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TcpConnectError>> {
        // The connect waits for the readiness of the resolver.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> TcpConnecting {
        let connector = self.for_connect();
        let timeout = Some(connector.options.connect_timeout).filter(|timeout| !timeout.is_zero());
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let connecting = connector.connect(uri, deadline, Setup::current());
        TcpConnecting::new(async { connecting.await.map(TcpIo::new) })
    }
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnector").field("options", &self.options).finish_non_exhaustive()
    }
}
