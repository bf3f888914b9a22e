//! tonic's TLS with a peer that is silent or dies in the handshake: nothing hangs, and the failure names the phase.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outbound_tests::certs::Certs;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tokio::time;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tower::service_fn;
use tower_outbound::tonic::TonicBuilder;
use tower_outbound::{BoxError, Event, Failure, Kind, Observer, Outbound, Phase, SendState};

use super::tonic_server::{Echo, EchoClient, messages, resolving, without_backoff};
use crate::support::recorded;

const SECOND: Duration = Duration::from_secs(1);

fn endpoint(certs: &Certs) -> Endpoint {
    let authority = Certificate::from_pem(certs.authority_pem());
    let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name("peer.test");
    Endpoint::from_static("https://echo.test").tls_config(tls).unwrap()
}

/// A server that reads the client hello and does not answer.
async fn silent_server() -> ScriptedServer {
    ScriptedServer::tcp(Script::new().read_to_end()).await.unwrap()
}

/// Lets time pass once the server has the client hello.
async fn advance(server: &ScriptedServer, time: Duration) {
    server.wait_until(|log| log.last().is_some_and(|last| !last.raw.is_empty())).await;
    time::pause();
    time::advance(time).await;
    time::resume();
}

/// A channel to that server.
fn builder(outbound: &Outbound, endpoint: Endpoint, server: &ScriptedServer) -> TonicBuilder {
    let tcp = resolving(outbound, vec![server.address().unwrap()]);
    outbound.tonic(endpoint).tcp_connector(tcp).retry(|retry| retry.max_retries(0))
}

#[track_caller]
fn is_tls_timeout(failure: &Failure) {
    assert_eq!((failure.kind(), failure.phase()), (Kind::TlsTimeout, Some(Phase::Tls)));
    assert!(failure.is_connect() && failure.is_timeout());
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
}

#[tokio::test]
async fn tonic_tls_timeout_in_handshake_retries_call() {
    let certs = Certs::new("peer.test");
    let silent_server = silent_server().await;
    let good = Echo::default().start(H2Server::builder().tls(certs.server_config(&["h2"]))).await;
    let (outbound, recorder) = recorded();
    let tcp = resolving(&outbound, vec![silent_server.address().unwrap(), good.address()]);
    let channel = outbound.tonic(endpoint(&certs)).tcp_connector(tcp).retry(without_backoff).connect_lazy();
    let mut client = EchoClient::new(channel);
    // The default of the connect timeout is 10 s.
    let (answer, ()) = tokio::join!(client.unary("hello"), advance(&silent_server, 11 * SECOND));
    assert_eq!(answer.unwrap(), "hello");
    assert_eq!(recorder.outcomes(), ["tls_timeout in tls", "ok"]);
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_tls_timeout_of_stack_ends_eager_connect() {
    let certs = Certs::new("peer.test");
    let silent_server = silent_server().await;
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).connect_timeout(3 * SECOND).build();
    let connect = builder(&outbound, endpoint(&certs), &silent_server).connect();
    let (channel, ()) = tokio::join!(connect, advance(&silent_server, 4 * SECOND));
    is_tls_timeout(channel.unwrap_err().failure());
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_tls_timeout_of_endpoint_is_tls_timeout() {
    let certs = Certs::new("peer.test");
    let silent_server = silent_server().await;
    let (outbound, recorder) = recorded();
    let endpoint = endpoint(&certs).connect_timeout(5 * SECOND);
    let mut client = EchoClient::new(builder(&outbound, endpoint, &silent_server).connect_lazy());
    let (answer, ()) = tokio::join!(client.unary("hello"), advance(&silent_server, 6 * SECOND));
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    is_tls_timeout(&Failure::of(&status));
    assert_eq!(recorder.outcomes(), ["tls_timeout in tls"]);
    drop(client);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn tonic_tls_connect_hanging_in_dns_is_connect_timeout() {
    let certs = Certs::new("peer.test");
    let own = [endpoint(&certs), endpoint(&certs).connect_timeout(5 * SECOND)];
    for endpoint in own {
        let (outbound, recorder) = recorded();
        let never = service_fn(|_| std::future::pending::<Result<std::iter::Once<SocketAddr>, BoxError>>());
        // The endpoint sets no connect timeout.
        let tcp = outbound.http_connector().connect_timeout(Duration::ZERO).resolver(never);
        let builder = outbound.tonic(endpoint).tcp_connector(tcp).retry(|retry| retry.max_retries(0));
        let mut client = EchoClient::new(builder.connect_lazy());
        assert_eq!(client.unary("hello").await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(recorder.outcomes(), ["connect_timeout in dns"]);
        drop(client);
        recorder.settled().await;
    }
}

/// For each closed connection, whether an attempt was on it.
#[derive(Clone, Default)]
struct Killed(Arc<Mutex<Vec<bool>>>);

impl Observer for Killed {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::ConnectionClosed { closed, .. } = event {
            self.0.lock().unwrap().push(closed.killed_attempt());
        }
    }
}

#[tokio::test]
async fn tonic_tls_above_dying_busy_connection_is_reported_killed() {
    let certs = Certs::new("peer.test");
    for busy in [true, false] {
        let server = Echo::default().start(H2Server::builder().tls(certs.server_config(&["h2"]))).await;
        let (recorder, killed) = (Recorder::new(), Killed::default());
        let outbound = Outbound::builder().observer(recorder.clone()).observer(killed.clone()).build();
        let tcp = resolving(&outbound, vec![server.address()]);
        let mut client = EchoClient::new(outbound.tonic(endpoint(&certs)).tcp_connector(tcp).connect_lazy());
        let (send, sent) = messages();
        send.send("open".to_owned()).unwrap();
        let mut back = client.both(sent).await.unwrap();
        assert_eq!(back.message().await.unwrap().unwrap(), "open");
        if busy {
            server.stop();
            back.message().await.unwrap_err();
        } else {
            drop(send);
            assert!(back.message().await.unwrap().is_none());
            server.stop();
        }
        recorder.wait_until(|recorder| recorder.close_reasons().len() == 1).await;
        assert_eq!(*killed.0.lock().unwrap(), [busy]);
        drop((client, back));
        recorder.settled().await;
    }
}
