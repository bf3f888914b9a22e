//! Faults before there is a connection.

use std::future::{Ready, pending, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper_util::client::legacy::connect::dns::Name;
use socket2::{Domain, Socket, Type};
use tower_outbound::BoxError;
use tower_outbound::connect::{ResolveError, TcpConnector};
use tower_outbound::failure::DnsFailure;

use crate::gate::Gate;

/// An address that this host does not have (RFC 5737).
pub const NOT_LOCAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// A multicast address, to which TCP has no route.
pub const NO_ROUTE: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

type Addresses = std::vec::IntoIter<SocketAddr>;

/// The resolver's error in this fault; `None` if the resolver does not answer with one.
#[must_use]
pub fn dns_failure(slug: &str) -> Option<DnsFailure> {
    match slug {
        "name-not-found" => Some(DnsFailure::HostNotFound),
        "dns-no-recovery" => Some(DnsFailure::NoRecovery),
        "dns-try-again" => Some(DnsFailure::TryAgain),
        _ => None,
    }
}

/// Gives the connector a resolver that fails.
#[must_use]
pub fn failing_resolver(tcp: TcpConnector, failure: DnsFailure) -> TcpConnector {
    let answer = move |_: Name| -> Ready<Result<Addresses, BoxError>> {
        ready(Err(ResolveError::new(failure).into()))
    };
    tcp.resolver(tower::service_fn(answer))
}

/// Gives the connector a resolver that never answers, and opens the gate when it is asked.
#[must_use]
pub fn silent_resolver(tcp: TcpConnector, asked: &Gate) -> TcpConnector {
    let asked = asked.clone();
    tcp.resolver(tower::service_fn(move |_: Name| {
        asked.open();
        pending::<Result<Addresses, BoxError>>()
    }))
}

/// A port whose backlog is full: another connect gets no answer.
#[derive(Debug)]
pub struct FullBacklog {
    address: SocketAddr,
    _held: (Socket, Vec<Socket>),
}

impl FullBacklog {
    /// On loopback.
    ///
    /// # Errors
    /// If a socket cannot be made.
    pub fn new() -> io::Result<FullBacklog> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(0)?;
        let address = listener.local_addr()?;
        // A backlog of zero has room for one; the second waits like every later one.
        let mut waiting = Vec::new();
        for _ in 0..2 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            // In progress.
            let _ = socket.connect(&address);
            waiting.push(socket);
        }
        let address = address.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(FullBacklog { address, _held: (listener, waiting) })
    }

    /// The address of the port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
