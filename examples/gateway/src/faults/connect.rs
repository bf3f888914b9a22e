//! Faults before there is a connection.

use std::io;

use axum::http::Uri;
use outbound_tests::faults::connect::{
    FullBacklog, NO_ROUTE, NOT_LOCAL, dns_failure, failing_resolver, silent_resolver,
};
use outbound_tests::gate::Gate;
use outbound_tests::server::closed_port;
use tower_outbound::connect::TcpConnector;

use super::caller::{Caller, LIMIT, Options};
use super::reported::Reported;
use super::{Fault, fault, uri};

const NAME: &str = "http://peer.test/";
const LOOPBACK: &str = "http://127.0.0.1:1/";

pub(super) fn faults() -> Vec<Fault> {
    vec![
        fault("name-not-found", failing_name("name-not-found")),
        fault("dns-no-recovery", failing_name("dns-no-recovery")),
        fault("dns-try-again", failing_name("dns-try-again")),
        fault("dns-stalled", silent_name()),
        fault("connect-refused", refused()),
        fault("connect-backlog-full", backlog_full()),
        fault("network-unreachable", no_route()),
        fault("local-address-not-ours", get(Uri::from_static(LOOPBACK), from_elsewhere())),
    ]
}

async fn get(uri: Uri, options: Options) -> io::Result<Reported> {
    let caller = Caller::new(options);
    caller.get(&uri).await;
    Ok(caller.reported().await)
}

async fn failing_name(slug: &str) -> io::Result<Reported> {
    let failure = dns_failure(slug).ok_or(io::ErrorKind::InvalidInput)?;
    get(Uri::from_static(NAME), with_tcp(move |tcp| failing_resolver(tcp, failure))).await
}

async fn silent_name() -> io::Result<Reported> {
    let options = with_tcp(|tcp| silent_resolver(tcp, &Gate::new()));
    get(Uri::from_static(NAME), in_time(options)).await
}

async fn refused() -> io::Result<Reported> {
    get(uri("http", closed_port()?), Options::new(false)).await
}

async fn backlog_full() -> io::Result<Reported> {
    let full = FullBacklog::new()?;
    get(uri("http", full.address()), in_time(Options::new(false))).await
}

async fn no_route() -> io::Result<Reported> {
    get(uri("http", (NO_ROUTE, 80).into()), Options::new(false)).await
}

fn from_elsewhere() -> Options {
    with_tcp(|tcp| tcp.local_address(NOT_LOCAL.into()))
}

fn with_tcp(change: impl FnOnce(TcpConnector) -> TcpConnector + 'static) -> Options {
    Options { tcp: Box::new(change), ..Options::new(false) }
}

fn in_time(options: Options) -> Options {
    Options { limits: |builder| builder.connect_timeout(LIMIT), ..options }
}
