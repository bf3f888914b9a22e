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
use tower_outbound::{BoxError, DnsFailure, ResolveError, TcpConnector};

use crate::cell::{Result, empty, finish};
use crate::stack::{Stack, request};

fn resolving(failure: DnsFailure) -> TcpConnector {
    let answer = move |_: Name| -> Ready<std::result::Result<std::vec::IntoIter<SocketAddr>, BoxError>> {
        ready(Err(ResolveError::new(failure).into()))
    };
    TcpConnector::new().resolver(service_fn(answer))
}

async fn attempt(stack: Stack, uri: &str) -> Result {
    let uri = uri.parse().unwrap();
    let _ = stack.service.clone().oneshot(request("GET", &uri, empty())).await;
    finish(stack, "GET").await
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
    finish(stack, "GET").await
}

async fn cancelled(stack: Stack, uri: &str, when: impl Future<Output = ()>) -> Result {
    let uri = uri.parse().unwrap();
    tokio::select! {
        biased;
        _ = stack.service.clone().oneshot(request("GET", &uri, empty())) => {}
        () = when => {}
    }
    finish(stack, "GET").await
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
        "connect-refused" => {
            let uri = format!("{scheme}://{}/", closed_port().unwrap());
            return Some(attempt(stack(&certs, TcpConnector::new(), http2), &uri).await);
        }
        _ if tls => return handshake(slug, http2).await,
        "http-on-tls-port" => {
            let script = Script::new().tls(certs.server_config(alpn(http2))).read_to_end();
            let server = ScriptedServer::tcp(script).await.unwrap();
            let stack = stack(&certs, TcpConnector::new(), http2);
            return Some(attempt(stack, &server.uri("/").to_string()).await);
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
            let uri = server.uri_with("https", "localhost", "/").to_string();
            return Some(attempt(stack(&trusted, TcpConnector::new(), http2), &uri).await);
        }
        "tls-on-http-port" => {
            Script::new().read_exact(5).write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").hang()
        }
        "tls-stalled" => {
            let begun = Gate::new();
            let script = Script::new().read_exact(5).open(&begun).hang();
            let server = ScriptedServer::tcp(script).await.unwrap();
            let uri = server.uri_with("https", "localhost", "/").to_string();
            let stack = stack(&trusted, TcpConnector::new(), http2);
            let pause = async {
                begun.wait().await;
                tokio::time::pause();
                std::future::pending::<()>().await;
            };
            let told = cancelled(stack, &uri, pause).await;
            tokio::time::resume();
            return Some(told);
        }
        "cancelled-in-tls" => {
            let begun = Gate::new();
            let script = Script::new().read_exact(5).open(&begun).hang();
            let server = ScriptedServer::tcp(script).await.unwrap();
            let uri = server.uri_with("https", "localhost", "/").to_string();
            let stack = stack(&trusted, TcpConnector::new(), http2);
            return Some(cancelled(stack, &uri, begun.wait()).await);
        }
        _ => return None,
    };
    let server = ScriptedServer::tcp(script).await.unwrap();
    let uri = server.uri_with("https", "localhost", "/").to_string();
    Some(attempt(stack(&trusted, TcpConnector::new(), http2), &uri).await)
}

/// A server that asks for a client certificate, and a client that has none.
async fn without_certificate(version: &'static SupportedProtocolVersion, http2: bool) -> Result {
    let (certs, clients) = (Certs::new("peer.test"), Certs::new("client.test"));
    let script = Script::new().tls(certs.server_config_asking_for(&clients, alpn(http2))).read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let uri = server.uri_with("https", "localhost", "/").to_string();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(certs.roots())
        .with_no_client_auth();
    attempt(Stack::new(client, TcpConnector::new(), http2), &uri).await
}

/// A server with these certificates, and a client that trusts their authority or another.
async fn certificate(certs: &Certs, trusted: Option<&Certs>, http2: bool) -> Result {
    let script = Script::new().tls(certs.server_config(alpn(http2))).read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let uri = server.uri_with("https", "localhost", "/").to_string();
    attempt(stack(trusted.unwrap_or(certs), TcpConnector::new(), http2), &uri).await
}
