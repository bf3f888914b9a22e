//! Faults before there is a connection.

use std::future::{Ready, pending, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::server::closed_port;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::service_fn;
use tower_outbound::BoxError;
use tower_outbound::connect::{ResolveError, TcpConnector};
use tower_outbound::failure::DnsFailure;

use super::caller::{Caller, LIMIT, Options};
use super::told::Told;
use super::{Fault, fault, uri};

type Addresses = std::vec::IntoIter<SocketAddr>;

const NAME: &str = "http://peer.test/";
/// TCP knows no way to a multicast address.
const MULTICAST: &str = "http://224.0.0.1/";
const LOOPBACK: &str = "http://127.0.0.1:1/";
/// An address that this host does not have (RFC 5737).
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

pub(super) fn faults() -> Vec<Fault> {
    vec![
        fault("name-not-found", resolving(DnsFailure::HostNotFound)),
        fault("dns-no-recovery", resolving(DnsFailure::NoRecovery)),
        fault("dns-try-again", resolving(DnsFailure::TryAgain)),
        fault("dns-stalled", silent_resolver()),
        fault("connect-refused", refused()),
        fault("connect-backlog-full", backlog_full()),
        fault("network-unreachable", get(Uri::from_static(MULTICAST), Options::new(false))),
        fault("local-address-not-ours", get(Uri::from_static(LOOPBACK), from_elsewhere())),
    ]
}

async fn get(uri: Uri, options: Options) -> io::Result<Told> {
    let caller = Caller::new(options);
    caller.get(&uri).await;
    Ok(caller.told().await)
}

/// A resolver of ours that says why.
async fn resolving(failure: DnsFailure) -> io::Result<Told> {
    let resolver = service_fn(move |_: Name| -> Ready<Result<Addresses, BoxError>> {
        ready(Err(ResolveError::new(failure).into()))
    });
    get(Uri::from_static(NAME), with_tcp(move |tcp| tcp.resolver(resolver))).await
}

/// A resolver of ours that says nothing.
async fn silent_resolver() -> io::Result<Told> {
    let resolver = service_fn(|_: Name| pending::<Result<Addresses, BoxError>>());
    get(Uri::from_static(NAME), in_time(with_tcp(move |tcp| tcp.resolver(resolver)))).await
}

async fn refused() -> io::Result<Told> {
    get(uri("http", closed_port()?), Options::new(false)).await
}

/// A port whose backlog is full: a further connection gets no answer.
async fn backlog_full() -> io::Result<Told> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener: TcpListener = socket.listen(0)?;
    let address = listener.local_addr()?;
    let _first = TcpStream::connect(address).await?;
    let second = tokio::spawn(TcpStream::connect(address));
    tokio::task::yield_now().await;
    let told = get(uri("http", address), in_time(Options::new(false))).await;
    second.abort();
    told
}

fn from_elsewhere() -> Options {
    with_tcp(|tcp| tcp.local_address(ELSEWHERE.into()))
}

fn with_tcp(change: impl FnOnce(TcpConnector) -> TcpConnector + 'static) -> Options {
    Options { tcp: Box::new(change), ..Options::new(false) }
}

fn in_time(options: Options) -> Options {
    Options { limits: |builder| builder.connect_timeout(LIMIT), ..options }
}
