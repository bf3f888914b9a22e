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

use super::memory::Memory;
use super::options::Options;
use super::order::{FirstFamily, order};
use super::race::{NoWinner, Race};
use super::resolver::{Resolver, distinct};
use super::stage::Stage;
use super::target::Target;
use super::{TcpConnecting, TcpIo};
use crate::error::{BoxError, TcpConnectError};
use crate::failure::Phase;
use crate::record::Setup;

/// Resolves a host and connects to the first of its addresses that answers (RFC 8305, Happy Eyeballs 2).
///
/// It goes below TLS, in place of hyper-util's `HttpConnector`; [`Outbound::http_connector`] makes one. Below a
/// [`TrackLayer`](crate::connect::TrackLayer) it tells the phases `dns` and `tcp`, what the name resolved to, and every
/// address that was tried, so neither it nor its resolver needs a [`PhaseLayer`](crate::connect::PhaseLayer). A host that
/// is an IP address is not resolved, and has no phase `dns`.
///
/// # RFC 8305
/// * Section 3, queries for both families: the resolver's business. It answers once; 64 addresses count.
/// * Section 4, sorting: the families take turns, each in the resolver's order ([`first_family`]), except that
///   the address that failed last for this host and port goes last for the next 10 minutes, also one that was
///   overtaken because it did not answer. That is remembered for 1,000 origins, by all clones together.
/// * Section 5, attempts: one after the other, [`attempt_delay`] apart, or at once when the one before has
///   failed. The first to succeed wins; the others are dropped, and what was not begun is not tried.
/// * Section 8, values: 250 ms apart, 10 ms at least.
///
/// [`first_family`]: Self::first_family
/// [`attempt_delay`]: Self::attempt_delay
///
/// # Errors
/// A [`TcpConnectError`] with every address that was tried, each with its own error. A URI without a scheme, a
/// host or a port that is known is [`Kind::InvalidRequest`](crate::Kind::InvalidRequest).
///
/// # Cancel safety
/// As [`TcpConnecting`].
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
/// // Any service from a name to addresses; port 0 leaves the port to the URI.
/// let resolver = service_fn(|name: Name| async move {
///     match name.as_str() {
///         "db.internal" => Ok([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))].into_iter()),
///         other => Err(format!("nobody knows {other}")),
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
    options: Arc<Options>,
    resolver: Resolver,
    /// Whether the resolver sorts its answers by what this host can reach.
    sorts: bool,
    memory: Arc<Memory>,
}

impl TcpConnector {
    /// With the system's resolver (`getaddrinfo`, on a thread of its own).
    #[must_use]
    pub fn new() -> Self {
        Self {
            options: Arc::default(),
            resolver: Resolver::new(GaiResolver::new()),
            sorts: true,
            memory: Arc::default(),
        }
    }

    /// Another resolver: any service from a [`Name`] to addresses.
    ///
    /// The port that it gives counts where the URI names none; 0 is the scheme's own.
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

    /// How long a connect may take, the resolver included: 10 s unless set; zero is off.
    ///
    /// The limit of the layer around it holds as well, TLS included, and is 10 s too unless set:
    /// [`OutboundBuilder::connect_timeout`](crate::outbound::OutboundBuilder::connect_timeout) sets both.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        self.with(|options| options.connect_timeout = connect_timeout)
    }

    /// How long an address may take before the next is tried beside it (RFC 8305, section 5): 250 ms unless set.
    ///
    /// 10 ms is the least, whatever is set below; zero is off: an address waits until the one before has failed.
    #[must_use]
    pub fn attempt_delay(self, attempt_delay: Duration) -> Self {
        self.with(|options| options.attempt_delay = attempt_delay)
    }

    /// Which family is tried first: as resolved with the system's resolver, IPv6 with any other, unless set.
    #[must_use]
    pub fn first_family(self, first_family: FirstFamily) -> Self {
        self.with(|options| options.first_family = Some(first_family))
    }

    /// Refuses every scheme but `http`: off unless set, since TLS above this connector decides on schemes.
    #[must_use]
    pub fn enforce_http(self, enforce_http: bool) -> Self {
        self.with(|options| options.enforce_http = enforce_http)
    }

    /// `TCP_NODELAY`: on unless set.
    #[must_use]
    pub fn nodelay(self, nodelay: bool) -> Self {
        self.with(|options| options.nodelay = nodelay)
    }

    /// `SO_KEEPALIVE`, and how long a connection is silent before the first probe: off unless set.
    #[must_use]
    pub fn keepalive(self, time: Duration) -> Self {
        self.with(|options| options.keepalive = Some(time))
    }

    /// `SO_KEEPALIVE`, and the time between two probes: the system's unless set. Where the system has it.
    #[must_use]
    pub fn keepalive_interval(self, interval: Duration) -> Self {
        self.with(|options| options.keepalive_interval = Some(interval))
    }

    /// `SO_KEEPALIVE`, and how many probes go unanswered before the connection counts as dead: the system's
    /// unless set. Where the system has it.
    #[must_use]
    pub fn keepalive_retries(self, retries: u32) -> Self {
        self.with(|options| options.keepalive_retries = Some(retries))
    }

    /// Connects from this address, and so only to addresses of its family.
    #[must_use]
    pub fn local_address(self, local: IpAddr) -> Self {
        self.with(|options| {
            (options.local_ipv4, options.local_ipv6) = match local {
                IpAddr::V4(local) => (Some(local), None),
                IpAddr::V6(local) => (None, Some(local)),
            };
        })
    }

    /// Connects from these addresses, each to those of its family.
    #[must_use]
    pub fn local_addresses(self, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Self {
        self.with(|options| (options.local_ipv4, options.local_ipv6) = (Some(ipv4), Some(ipv6)))
    }

    /// `SO_REUSEADDR`: off unless set.
    #[must_use]
    pub fn reuse_address(self, reuse_address: bool) -> Self {
        self.with(|options| options.reuse_address = reuse_address)
    }

    /// `SO_SNDBUF` in bytes: the system's unless set; Linux doubles it.
    #[must_use]
    pub fn send_buffer_size(self, bytes: usize) -> Self {
        self.with(|options| options.send_buffer_size = Some(bytes))
    }

    /// `SO_RCVBUF` in bytes: the system's unless set; Linux doubles it.
    #[must_use]
    pub fn recv_buffer_size(self, bytes: usize) -> Self {
        self.with(|options| options.recv_buffer_size = Some(bytes))
    }

    /// Connects through this network interface only (`SO_BINDTODEVICE`).
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    #[must_use]
    pub fn interface(self, name: impl Into<String>) -> Self {
        self.with(|options| options.interface = Some(name.into()))
    }

    /// `TCP_USER_TIMEOUT`: how long sent bytes may go unacknowledged, in whole milliseconds; the system's
    /// unless set.
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    #[must_use]
    pub fn tcp_user_timeout(self, time: Duration) -> Self {
        self.with(|options| options.tcp_user_timeout = Some(time))
    }

    fn with(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(Arc::make_mut(&mut self.options));
        self
    }

    async fn connect(
        self,
        uri: Uri,
        limit: Option<Instant>,
        setup: Option<Setup>,
    ) -> Result<TcpStream, TcpConnectError> {
        let target = Target::of(&uri, self.options.enforce_http)?;
        let addresses = match target.literal() {
            Some(address) => vec![address],
            None => self.resolve(&target, limit, setup.as_ref()).await?,
        };
        let stage = Stage::begin(setup.as_ref(), Phase::Tcp);
        let result = self.race(&target, addresses, limit, setup.clone()).await;
        stage.end(result.as_ref().err().map(TcpConnectError::failure));
        result
    }

    async fn resolve(
        &self,
        target: &Target,
        limit: Option<Instant>,
        setup: Option<&Setup>,
    ) -> Result<Vec<SocketAddr>, TcpConnectError> {
        let host = target.host.as_str();
        let stage = Stage::begin(setup, Phase::Dns);
        let lookup = async {
            let resolved = self.resolver.resolve(host).await;
            resolved.map_err(|error| TcpConnectError::lookup(host, error))
        };
        let result = match limit {
            Some(limit) => timeout_at(limit, lookup)
                .await
                .unwrap_or_else(|_| Err(TcpConnectError::lookup_limit(host, self.options.connect_timeout))),
            None => lookup.await,
        };
        let result = result.and_then(|resolved| match resolved.is_empty() {
            true => Err(TcpConnectError::no_answer(host)),
            false => Ok(distinct(resolved.into_iter().map(|address| target.at(address)))),
        });
        if let (Some(setup), Ok(addresses)) = (setup, &result) {
            setup.set_dns_answers(distinct(addresses.iter().map(SocketAddr::ip)));
        }
        stage.end(result.as_ref().err().map(TcpConnectError::failure));
        result
    }

    async fn race(
        &self,
        target: &Target,
        mut addresses: Vec<SocketAddr>,
        limit: Option<Instant>,
        setup: Option<Setup>,
    ) -> Result<TcpStream, TcpConnectError> {
        addresses.retain(|address| self.options.allow(address));
        if addresses.is_empty() {
            return Err(TcpConnectError::no_local_address(&target.host));
        }
        let only_one = addresses.len() == 1;
        let default = if self.sorts { FirstFamily::AsResolved } else { FirstFamily::Ipv6 };
        let first = self.options.first_family.unwrap_or(default);
        let last = if only_one { None } else { self.memory.failed_last(&target.authority) };
        let addresses = order(addresses, first, last);

        let connect = |address| async move { self.options.socket(address)?.connect(address).await };
        let race = Race::new(connect, addresses, self.options.delay(), limit, setup);
        let (result, ended) = race.run().await;
        if !only_one {
            self.memory.learn(&target.authority, ended.iter().map(|ended| &ended.attempt));
        }
        result.map_err(|why| match why {
            NoWinner::AllFailed => TcpConnectError::all_failed(&target.authority, ended),
            NoWinner::Limit => TcpConnectError::limit(&target.authority, self.options.connect_timeout, ended),
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
        // A resolver that is not ready at all times is waited for in the connect.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> TcpConnecting {
        let timeout = Some(self.options.connect_timeout).filter(|timeout| !timeout.is_zero());
        let limit = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let connecting = self.clone().connect(uri, limit, Setup::current());
        TcpConnecting::new(async { connecting.await.map(TcpIo::new) })
    }
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnector").field("options", &self.options).finish_non_exhaustive()
    }
}
