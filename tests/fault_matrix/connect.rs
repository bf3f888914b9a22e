//! Faults before there is a connection.

use std::future::{Future, Ready, pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use socket2::{Domain, Socket, Type};
use tower::{ServiceExt as _, service_fn};
use tower_outbound::BoxError;
use tower_outbound::connect::{ResolveError, TcpConnector};
use tower_outbound::failure::DnsFailure;

use crate::cell::{Result, Told, empty, within};
use crate::dial::Dial;
use crate::sent::Seen;
use crate::stack::{Stack, request};
use crate::{queue, system, waits};

fn resolving(failure: DnsFailure) -> TcpConnector {
    let answer = move |_: Name| -> Ready<std::result::Result<std::vec::IntoIter<SocketAddr>, BoxError>> {
        ready(Err(ResolveError::new(failure).into()))
    };
    TcpConnector::new().resolver(service_fn(answer))
}

/// Where there is nobody to connect to.
pub(crate) async fn attempt(stack: Stack, uri: &str) -> Result {
    let uri = uri.parse().unwrap();
    let _ = stack.service.clone().oneshot(request("GET", &uri, empty())).await;
    Told::of(stack, "GET", &Vec::new()).await.finish(None).await
}

/// A connect that is refused, and a peer that claims all the same to have seen something.
pub(crate) async fn refused_but(seen: Seen) -> Result {
    let uri = format!("http://{}/", closed_port().unwrap()).parse().unwrap();
    let stack = stack(&Certs::new("peer.test"), TcpConnector::new(), false);
    let _ = stack.service.clone().oneshot(request("GET", &uri, empty())).await;
    Told::of(stack, "GET", &Vec::new()).await.finish(Some(seen)).await
}

/// The server reads whatever it can, and plays until the client leaves.
async fn attempt_at(server: ScriptedServer, stack: Stack, scheme: &str) -> Result {
    let uri = server.uri_with(scheme, "localhost", "/");
    let _ = stack.service.clone().oneshot(request("GET", &uri, empty())).await;
    seen_by(server, stack).await
}

async fn seen_by(server: ScriptedServer, stack: Stack) -> Result {
    let told = Told::of(stack, "GET", &Vec::new()).await;
    let seen = match told.failed() {
        true => Some(within("the server's end", told.seen_by(&server, &[])).await),
        false => None,
    };
    drop(server);
    told.finish(seen).await
}

fn stack(certs: &Certs, tcp: TcpConnector, http2: bool) -> Stack {
    Stack::new(certs.client_config(&[]), tcp, http2)
}

/// A resolver that says nothing, but opens the gate when it is asked.
fn never_resolving(asked: Option<Gate>) -> TcpConnector {
    TcpConnector::new().resolver(service_fn(move |_: Name| {
        if let Some(asked) = &asked {
            asked.open();
        }
        pending::<std::result::Result<std::vec::IntoIter<SocketAddr>, BoxError>>()
    }))
}

/// A port whose backlog is full: a further connection gets no answer.
struct Full {
    address: SocketAddr,
    _held: (Socket, Vec<Socket>),
}

impl Full {
    fn new() -> Full {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = (0..2).map(|_| {
            let waiting = socket();
            waiting.set_nonblocking(true).unwrap();
            let _ = waiting.connect(&address);
            waiting
        });
        let waiting = waiting.collect();
        Full { address: address.as_socket().unwrap(), _held: (listener, waiting) }
    }
}

/// The clock is paused, so that the connector's limit passes at once.
async fn stalled(certs: &Certs, uri: &str, tcp: TcpConnector, http2: bool) -> Result {
    let stack = stack(certs, tcp, http2);
    let uri = uri.parse().unwrap();
    tokio::time::pause();
    let _ = stack.service.clone().oneshot(request("GET", &uri, empty())).await;
    tokio::time::resume();
    Told::of(stack, "GET", &Vec::new()).await.finish(None).await
}

async fn cancelled(stack: Stack, uri: &str, when: impl Future<Output = ()>) -> Result {
    cancel(&stack, uri, when).await;
    Told::of(stack, "GET", &Vec::new()).await.finish(None).await
}

/// Gives up when `when` is over, unless the request has failed before that.
async fn cancel(stack: &Stack, uri: &str, when: impl Future<Output = ()>) {
    let uri = uri.parse().unwrap();
    tokio::select! {
        biased;
        _ = stack.service.clone().oneshot(request("GET", &uri, empty())) => {}
        () = when => {}
    }
}

/// Runs the fault of this name, if it is one of these.
pub(crate) async fn run(slug: &str, tls: bool, http2: bool) -> Option<Result> {
    let certs = Certs::new("peer.test");
    let scheme = if tls { "https" } else { "http" };
    let peer = format!("{scheme}://peer.test/");
    let tcp = match slug {
        "name-not-found" => resolving(DnsFailure::HostNotFound),
        "dns-no-recovery" => resolving(DnsFailure::NoRecovery),
        "dns-try-again" => resolving(DnsFailure::TryAgain),
        // TCP knows no way to a multicast address.
        "network-unreachable" => {
            let uri = format!("{scheme}://224.0.0.1/");
            return Some(attempt(stack(&certs, TcpConnector::new(), http2), &uri).await);
        }
        "dns-stalled" => return Some(stalled(&certs, &peer, never_resolving(None), http2).await),
        "connect-backlog-full" => {
            let full = Full::new();
            let uri = format!("{scheme}://{}/", full.address);
            return Some(stalled(&certs, &uri, TcpConnector::new(), http2).await);
        }
        "cancelled-in-dns" => {
            let asked = Gate::new();
            let stack = stack(&certs, never_resolving(Some(asked.clone())), http2);
            return Some(cancelled(stack, &peer, asked.wait()).await);
        }
        "cancelled-in-tcp" => {
            let full = Full::new();
            let uri = format!("{scheme}://{}/", full.address);
            // The attempt begins with the first poll.
            let polled = tokio::task::yield_now();
            return Some(cancelled(stack(&certs, TcpConnector::new(), http2), &uri, polled).await);
        }
        "local-address-not-ours" => {
            let tcp = TcpConnector::new().local_address([203, 0, 113, 9].into());
            let uri = format!("{scheme}://127.0.0.1:1/");
            return Some(attempt(stack(&certs, tcp, http2), &uri).await);
        }
        "connect-refused" => {
            let uri = format!("{scheme}://{}/", closed_port().unwrap());
            return Some(attempt(stack(&certs, TcpConnector::new(), http2), &uri).await);
        }
        "host-unreachable"
        | "access-denied"
        | "no-descriptors"
        | "local-address-in-use"
        | "local-ports-exhausted" => return Some(system::run(slug, tls, http2).await),
        "queue-full" | "pool-timeout" | "cancelled-in-queue" => {
            return Some(queue::run(slug, tls, http2).await);
        }
        "http2-opener-cancelled" => return Some(waits::behind_a_cancelled_opener(tls).await),
        "cancelled-in-acquire" if http2 => return Some(waits::cancelled_behind_an_opener(tls).await),
        "cancelled-in-acquire" => {
            let stack = Stack::new(certs.client_config(&[]), Dial::NeverReady, http2);
            let polled = tokio::task::yield_now();
            return Some(cancelled(stack, &peer, polled).await);
        }
        _ if tls => return handshake(slug, http2).await,
        "http-on-tls-port" => {
            let script = Script::new().tls(certs.server_config(alpn(http2))).read_to_end();
            let server = ScriptedServer::tcp(script).await.unwrap();
            return Some(attempt_at(server, stack(&certs, TcpConnector::new(), http2), "http").await);
        }
        _ => return None,
    };
    Some(attempt(stack(&certs, tcp, http2), &peer).await)
}

fn alpn(http2: bool) -> &'static [&'static str] {
    if http2 { &["h2"] } else { &["http/1.1"] }
}

/// Over TLS only.
async fn handshake(slug: &str, http2: bool) -> Option<Result> {
    let trusted = Certs::new("peer.test");
    let script = match slug {
        "certificate-expired" => return Some(certificate(&Certs::expired("peer.test"), None, http2).await),
        "certificate-wrong-host" => {
            return Some(certificate(&Certs::only_for("peer.test"), None, http2).await);
        }
        "certificate-untrusted" => {
            return Some(certificate(&Certs::new("peer.test"), Some(&trusted), http2).await);
        }
        "client-certificate-refused-tls12" => return Some(without_certificate(&TLS12, http2).await),
        "client-certificate-refused-tls13" => return Some(without_certificate(&TLS13, http2).await),
        "alpn-mismatch" => {
            let script = Script::new().tls(trusted.server_config(alpn(!http2))).read_to_end();
            let server = ScriptedServer::tcp(script).await.unwrap();
            return Some(attempt_at(server, stack(&trusted, TcpConnector::new(), http2), "https").await);
        }
        "tls-on-http-port" => Script::new()
            .read_exact(5)
            .write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            .read_to_end(),
        "reset-at-accept" => Script::new().reset(),
        "fin-amid-handshake" => Script::new().shutdown().read_to_end(),
        "tls-stalled" => {
            let begun = Gate::new();
            let script = Script::new().read_exact(5).open(&begun).read_to_end();
            let server = ScriptedServer::tcp(script).await.unwrap();
            let uri = server.uri_with("https", "localhost", "/").to_string();
            let stack = stack(&trusted, TcpConnector::new(), http2);
            let pause = async {
                begun.wait().await;
                tokio::time::pause();
                std::future::pending::<()>().await;
            };
            cancel(&stack, &uri, pause).await;
            tokio::time::resume();
            return Some(seen_by(server, stack).await);
        }
        "cancelled-in-tls" => {
            let begun = Gate::new();
            let script = Script::new().read_exact(5).open(&begun).hang();
            let server = ScriptedServer::tcp(script).await.unwrap();
            let uri = server.uri_with("https", "localhost", "/").to_string();
            let stack = stack(&trusted, TcpConnector::new(), http2);
            cancel(&stack, &uri, begun.wait()).await;
            return Some(seen_by(server, stack).await);
        }
        _ => return None,
    };
    let server = ScriptedServer::tcp(script).await.unwrap();
    Some(attempt_at(server, stack(&trusted, TcpConnector::new(), http2), "https").await)
}

/// A server that asks for a client certificate, and a client that has none.
async fn without_certificate(version: &'static SupportedProtocolVersion, http2: bool) -> Result {
    let (certs, clients) = (Certs::new("peer.test"), Certs::new("client.test"));
    let script = Script::new().tls(certs.server_config_asking_for(&clients, alpn(http2))).read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(certs.roots())
        .with_no_client_auth();
    attempt_at(server, Stack::new(client, TcpConnector::new(), http2), "https").await
}

/// A server with these certificates, and a client that trusts their authority or another.
async fn certificate(certs: &Certs, trusted: Option<&Certs>, http2: bool) -> Result {
    let script = Script::new().tls(certs.server_config(alpn(http2))).read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    attempt_at(server, stack(trusted.unwrap_or(certs), TcpConnector::new(), http2), "https").await
}
