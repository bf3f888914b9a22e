//! dnsmasq as the name server, queried through hickory's resolver.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{Resolver, TokioResolver};
use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::peers::{DNSMASQ, Daemon, Dnsmasq};
use outbound_tests::server::{Script, ScriptedServer};
use tower::service_fn;
use tower_outbound::connect::{ResolveError, TcpConnector};
use tower_outbound::failure::DnsFailure;
use tower_outbound::{BoxError, SendState};

use super::caller::{Caller, Options, Reported};
use super::http::Http;
use outbound_tests::peers::checks::Check;

/// Timeouts of the resolver: one that passes in a test, and one that does not.
const SOON: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::from_secs(60);

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("resolves_through_hickory_resolver", DNSMASQ, resolves),
        Check::new("knows_no_such_name", DNSMASQ, no_such_name),
        Check::new("knows_no_address_of_the_name", DNSMASQ, no_address),
        Check::new("refuses", DNSMASQ, refuses),
        Check::new("passes_a_failure_of_another_on", DNSMASQ, fails),
        Check::new("does_not_answer_in_time", DNSMASQ, silent),
        Check::new("does_not_answer_until_the_connect_timeout", DNSMASQ, stalled),
        Check::new("killed_does_not_answer", DNSMASQ, killed),
        Check::new("refuses_a_resolver_without_a_reason", DNSMASQ, without_a_reason),
    ]
}

/// Maps hickory's errors to those of `getaddrinfo`.
fn reason(error: &NetError) -> DnsFailure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError => DnsFailure::HostNotFound,
            ResponseCode::ServFail => DnsFailure::TryAgain,
            _ => DnsFailure::NoRecovery,
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => DnsFailure::TryAgain,
        NetError::Dns(_) => DnsFailure::NoRecovery,
        // No response, or none in time.
        _ => DnsFailure::TryAgain,
    }
}

fn hickory(server: SocketAddr, timeout: Duration) -> TokioResolver {
    let mut udp = ConnectionConfig::udp();
    udp.port = server.port();
    let server = NameServerConfig::new(server.ip(), true, vec![udp]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options: &mut ResolverOpts = builder.options_mut();
    (options.timeout, options.attempts, options.cache_size) = (timeout, 0, 0);
    builder.build().unwrap()
}

/// A connector with this resolver; `error` maps the resolver's errors.
fn connector(
    resolver: TokioResolver,
    error: impl Fn(NetError) -> BoxError + Clone + Send + Sync + 'static,
) -> TcpConnector {
    let lookup = move |name: Name| -> BoxFuture<'static, Result<std::vec::IntoIter<SocketAddr>, BoxError>> {
        let (resolver, error) = (resolver.clone(), error.clone());
        Box::pin(async move {
            let found = resolver.lookup_ip(format!("{name}.")).await.map_err(error)?;
            let addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(addresses.into_iter())
        })
    };
    TcpConnector::new().resolver(service_fn(lookup))
}

/// A connector whose resolver errors carry a reason.
fn with_reasons(server: SocketAddr, timeout: Duration) -> TcpConnector {
    let map = |error: NetError| ResolveError::new(reason(&error)).with_source(error).into();
    connector(hickory(server, timeout), map)
}

async fn ask(http: Http, tcp: TcpConnector, host: &str, connect: Option<Duration>) -> Reported {
    let connect_limit = connect.map_or(tcp.clone(), |limit| tcp.connect_timeout(limit));
    let caller = Caller::new(http, Options { tcp: Some(connect_limit), connect, ..Options::new() });
    let reported = caller.get(&format!("http://{host}/").parse().unwrap()).await;
    caller.close().await;
    reported
}

/// Resolves a name: the request is not sent, and dnsmasq has the query in its log.
async fn fails_as(options: &[&str], host: &str, slug: &str, why: DnsFailure) {
    let dnsmasq = Dnsmasq::start(options).await.unwrap();
    for http in Http::BOTH {
        let reported = ask(http, with_reasons(dnsmasq.address(), SOON), host, None).await;
        reported.is(DNSMASQ, slug);
        let failure = reported.failure.as_ref().unwrap();
        assert_eq!(
            (failure.dns(), reported.send()),
            (Some(why), Some(SendState::NotSent)),
            "{}",
            reported.why
        );
        assert!(failure.is_dns() && failure.is_connect());
        asked(&dnsmasq, host).await;
    }
}

async fn asked(dnsmasq: &Daemon, host: &str) {
    let query = format!("query[A] {host} ");
    assert!(dnsmasq.wait_for(|dnsmasq| dnsmasq.output().contains(&query), NEVER).await, "{query}");
}

async fn resolves() {
    let server = ScriptedServer::tcp(Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let server = server.unwrap();
    let dnsmasq = Dnsmasq::start(&["--address=/here.test/127.0.0.1"]).await.unwrap();
    let host = format!("here.test:{}", server.address().unwrap().port());
    let reported = ask(Http::One, with_reasons(dnsmasq.address(), NEVER), &host, None).await;
    assert_eq!((reported.status, reported.failure), (Some(200), None));
    asked(&dnsmasq, "here.test").await;
}

async fn no_such_name() {
    fails_as(&["--address=/nx.test/"], "nx.test", "name-not-found", DnsFailure::HostNotFound).await;
}

/// The name exists with another record type only.
async fn no_address() {
    let options = ["--txt-record=text.test,hello", "--local=/test/"];
    fails_as(&options, "text.test", "name-not-found", DnsFailure::HostNotFound).await;
}

/// dnsmasq has no upstream server.
async fn refuses() {
    fails_as(&[], "other.test", "dns-no-recovery", DnsFailure::NoRecovery).await;
}

/// The upstream name server responds with SERVFAIL.
async fn fails() {
    let failing = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let option = format!("--server=/fail.test/127.0.0.1#{}", failing.local_addr().unwrap().port());
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = failing.recv_from(&mut query).await {
            // A response with the code 2 that repeats the question.
            (query[2], query[3]) = (query[2] | 0x80, 0x82);
            let _ = failing.send_to(&query[..length], from).await;
        }
    });
    fails_as(&[&option], "fail.test", "dns-try-again", DnsFailure::TryAgain).await;
}

/// An upstream name server that never responds.
fn silence() -> (UdpSocket, String) {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let option = format!("--server=/slow.test/127.0.0.1#{}", silent.local_addr().unwrap().port());
    (silent, option)
}

/// The resolver times out, which is a temporary failure.
async fn silent() {
    let (_silent, option) = silence();
    fails_as(&[&option], "slow.test", "dns-try-again", DnsFailure::TryAgain).await;
}

/// The connect timeout passes while the resolver waits.
async fn stalled() {
    let (_silent, option) = silence();
    let dnsmasq = Dnsmasq::start(&[&option]).await.unwrap();
    for http in Http::BOTH {
        let reported = ask(http, with_reasons(dnsmasq.address(), NEVER), "slow.test", Some(SOON)).await;
        reported.is(DNSMASQ, "dns-stalled");
        assert_eq!(reported.send(), Some(SendState::NotSent));
        asked(&dnsmasq, "slow.test").await;
    }
}

/// The port of the name server is closed.
async fn killed() {
    let mut dnsmasq = Dnsmasq::start(&["--address=/here.test/127.0.0.1"]).await.unwrap();
    dnsmasq.crash().unwrap();
    for http in Http::BOTH {
        let reported = ask(http, with_reasons(dnsmasq.address(), SOON), "here.test", None).await;
        reported.is(DNSMASQ, "dns-try-again");
        assert_eq!(reported.send(), Some(SendState::NotSent));
    }
    assert!(!dnsmasq.output().contains("query[A]"));
}

/// Unmapped errors of hickory: the kind is right, the reason unknown.
async fn without_a_reason() {
    let dnsmasq = Dnsmasq::start(&["--address=/nx.test/"]).await.unwrap();
    for http in Http::BOTH {
        let tcp = connector(hickory(dnsmasq.address(), SOON), Into::into);
        let reported = ask(http, tcp, "nx.test", None).await;
        reported.is(DNSMASQ, "name-not-found");
        assert_eq!(reported.failure.as_ref().unwrap().dns(), None);
        assert_eq!(reported.send(), Some(SendState::NotSent));
    }
}
