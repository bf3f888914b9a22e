//! TLS of a channel: tonic's, above the tracked connection, and hyper-rustls's below it.

use outbound_tests::certs::Certs;
use outbound_tests::server::H2Server;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tower_outbound::connect::{ConnectionState, Protocol};
use tower_outbound::{Kind, Phase, Reuse};

use super::checks::knows_the_handshake;
use super::tonic_server::{Echo, EchoClient, messages};
use crate::support::recorded;

async fn server(certs: &Certs, echo: &Echo) -> H2Server {
    echo.start(H2Server::builder().tls(certs.server_config(&["h2"]))).await
}

/// An endpoint with tonic's TLS, for the name of the certificate.
fn endpoint(server: &H2Server, certs: &Certs) -> Endpoint {
    let authority = Certificate::from_pem(certs.authority_pem());
    let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name("peer.test");
    Endpoint::from(server.uri("")).tls_config(tls).unwrap()
}

#[tokio::test]
async fn tonic_tls_below_reports_reuse_and_tls_phase() {
    let certs = Certs::new("peer.test");
    let server = server(&certs, &Echo::default()).await;
    let (outbound, recorder) = recorded();
    // tonic is compiled with TLS, and would refuse an https URI without a TLS configuration.
    let builder = outbound.tonic(server.uri("")).tls_config(certs.client_config(&[]));
    let mut client = EchoClient::new(builder.connect_lazy());
    client.unary("one").await.unwrap();
    client.unary("two").await.unwrap();
    knows_the_handshake(&recorder, "h2");
    let timings = recorder.timings();
    let connection = timings[0].connection().unwrap();
    assert_eq!(timings[1].connection(), Some(connection.clone()));
    assert_eq!([timings[0].reuse(), timings[1].reuse()], [Reuse::New, Reuse::Reused]);
    assert_eq!(connection.origin(), timings[0].attempt().origin());
    assert_eq!(connection.origin().scheme(), "https");
    assert!(connection.setup().phase(Phase::Tls).is_some());
    server.graceful_shutdown();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["goaway"]).await;
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_tls_below_connects_eagerly() {
    let certs = Certs::new("peer.test");
    let server = server(&certs, &Echo::default()).await;
    let (outbound, recorder) = recorded();
    let builder = outbound.tonic(server.uri("")).tls_config(certs.client_config(&[]));
    let mut client = EchoClient::new(builder.connect().await.unwrap());
    client.unary("one").await.unwrap();
    assert!(recorder.timings()[0].connection().is_some());
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_tls_above_counts_attempts_as_uses() {
    let certs = Certs::new("peer.test");
    let server = server(&certs, &Echo::default()).await;
    let (outbound, recorder) = recorded();
    let mut client = EchoClient::new(outbound.tonic(endpoint(&server, &certs)).connect_lazy());
    let mut calls = Vec::new();
    for _ in 0..4 {
        let (send, sent) = messages();
        send.send("open".to_owned()).unwrap();
        let mut back = client.both(sent).await.unwrap();
        assert_eq!(back.message().await.unwrap().unwrap(), "open");
        calls.push((send, back));
    }
    let connection = outbound.connections().pop().unwrap();
    assert_eq!(connection.protocol(), Some(Protocol::Http2), "a channel is always HTTP/2");
    assert_eq!((connection.in_flight(), connection.uses()), (4, 4));
    assert_eq!(recorder.gauges(), (1, 0));
    let cancelled = calls.pop().unwrap();
    drop(cancelled);
    assert_eq!(connection.in_flight(), 3);
    for (send, mut back) in calls {
        drop(send);
        assert!(back.message().await.unwrap().is_none());
    }
    assert_eq!((connection.in_flight(), connection.state()), (0, ConnectionState::Idle));
    assert_eq!(client.unary("after").await.unwrap(), "after");

    let timings = recorder.timings();
    assert!(timings.iter().all(|timings| timings.connection().as_ref() == Some(&connection)));
    let first = timings.iter().find(|timings| timings.usage().unwrap().number() == 1).unwrap();
    assert_eq!(first.reuse(), Reuse::New);
    assert_eq!(timings.iter().filter(|timings| timings.reuse() == Reuse::Reused).count(), 4);
    assert_eq!(connection.origin(), first.attempt().origin());
    assert_eq!(connection.origin().scheme(), "https");
    let setup = connection.setup();
    assert!(setup.phase(Phase::Tcp).is_some());
    assert!(
        setup.phase(Phase::Tls).is_none() && setup.tls().is_none(),
        "the handshake is above the connector"
    );
    // No handshake with a certificate is smaller.
    assert!(connection.bytes_in() > 500, "ciphertext is counted");
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["cancelled in body", "ok", "ok", "ok", "ok"]);
    assert_eq!(recorder.close_reasons(), ["dropped"], "a dropped stream is not the reason");
    assert_eq!(recorder.count("Misplaced"), 0);
}

#[tokio::test]
async fn tonic_tls_above_reconnect_reports_new_connection() {
    let certs = Certs::new("peer.test");
    let server = server(&certs, &Echo::default()).await;
    let (outbound, recorder) = recorded();
    let channel = outbound.tonic(endpoint(&server, &certs)).connect().await.unwrap();
    let mut client = EchoClient::new(channel);
    client.unary("one").await.unwrap();
    server.graceful_shutdown();
    recorder.wait_until(|recorder| recorder.close_reasons().len() == 1).await;
    client.unary("two").await.unwrap();
    let timings = recorder.timings();
    let ids: Vec<_> = timings.iter().map(|timings| timings.connection().unwrap().id()).collect();
    assert!(ids[1] > ids[0]);
    assert_eq!([timings[0].reuse(), timings[1].reuse()], [Reuse::New, Reuse::New]);
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_tls_untrusted_certificate_reported_above_and_below() {
    let (certs, others) = (Certs::new("peer.test"), Certs::new("peer.test"));
    let server = server(&certs, &Echo::default()).await;
    let (outbound, recorder) = recorded();
    let ours = outbound.tonic(server.uri("")).tls_config(others.client_config(&[]));
    let tonics = outbound.tonic(endpoint(&server, &others));
    let statuses = [
        EchoClient::new(ours.connect_lazy()).unary("x").await,
        EchoClient::new(tonics.connect_lazy()).unary("x").await,
    ];
    for status in statuses {
        let status = status.unwrap_err();
        let failure = tower_outbound::Failure::of(&status);
        assert_eq!(failure.kind(), Kind::SecureConnection, "{status:?}");
        assert!(failure.certificate().is_some());
    }
    recorder.settled().await;
}
