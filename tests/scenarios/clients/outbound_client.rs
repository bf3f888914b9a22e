//! `OutboundClient` over HTTP/1 and HTTP/2, with and without TLS.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::secret;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tokio::sync::Barrier;
use tower_outbound::connect::Protocol;
use tower_outbound::{Phase, Reuse, Timings};

use super::checks::{ANSWER, connects_and_reuses, knows_the_handshake, marks_are_monotone};
use super::hyper_util::{HTTP_1, answer};
use crate::support::{Body, recorded};

#[tokio::test]
async fn outbound_client_http1_over_tcp_connects_and_reuses() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    connects_and_reuses(outbound.client(), &server.uri("/"), Protocol::Http1, &recorder).await;
}

#[tokio::test]
async fn outbound_client_http1_by_alpn_connects_and_reuses() {
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(HTTP_1).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().tls_config(certs.client_config(&[])).build();
    let uri = server.uri_with("https", "localhost", "/");
    connects_and_reuses(client, &uri, Protocol::Http1, &recorder).await;
    knows_the_handshake(&recorder, "http/1.1");
    let first = &recorder.timings()[0];
    for phase in [Phase::Dns, Phase::Tcp, Phase::Tls, Phase::Send, Phase::Wait, Phase::Head, Phase::Body] {
        assert!(first.phase(phase).is_some(), "no phase {phase}: {first}");
    }
}

#[tokio::test]
async fn outbound_client_http2_by_alpn_connects_and_reuses() {
    let certs = Certs::new("peer.test");
    let server =
        H2Server::builder().tls(certs.server_config(&["h2", "http/1.1"])).start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().tls_config(certs.client_config(&[])).build();
    connects_and_reuses(client, &server.uri("/"), Protocol::Http2, &recorder).await;
    knows_the_handshake(&recorder, "h2");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn outbound_client_http2_prior_knowledge_reuses() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().http2_only(true).build();
    connects_and_reuses(client, &server.uri("/"), Protocol::Http2, &recorder).await;
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn outbound_client_http2_concurrent_requests_are_uses_1_to_4() {
    const AT_ONCE: usize = 4;
    // The server answers when the last request has arrived.
    let all_there = Arc::new(Barrier::new(AT_ONCE));
    let server = H2Server::builder()
        .start(move |_| {
            let all_there = all_there.clone();
            async move {
                all_there.wait().await;
                Response::new(Body::from(ANSWER))
            }
        })
        .await
        .unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().http2_only(true).build();
    let requests = (0..AT_ONCE).map(|_| async {
        let response = client.request(secret::request(&server.uri("/"), Body::default())).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        response.into_body().collect().await.unwrap();
        timings
    });
    let timings = futures_util::future::join_all(requests).await;

    let mut numbers: Vec<_> = timings.iter().map(|timings| timings.usage().unwrap().number()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let connection = timings[0].connection().unwrap();
    for timings in &timings {
        assert_eq!(timings.connection().unwrap().id(), connection.id());
        let first = timings.usage().unwrap().number() == 1;
        assert_eq!(timings.reuse(), if first { Reuse::New } else { Reuse::Reused });
        assert_eq!(timings.usage().unwrap().idle_time(), None, "never idle in between");
        marks_are_monotone(timings);
    }
    assert_eq!((connection.uses(), connection.in_flight()), (4, 0));
    assert_eq!(timings.iter().filter(|timings| timings.setup_paid()).count(), 1);
    assert_eq!(server.accepted(), 1);

    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok"; AT_ONCE]);
}

#[tokio::test]
async fn outbound_client_two_clients_do_not_share_pool() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let get = async |client: &tower_outbound::OutboundClient| {
        let request: Request<Body> = secret::request(&server.uri("/"), Body::default());
        client.request(request).await.unwrap().into_body().collect().await.unwrap();
    };
    let (one, other) = (outbound.client(), outbound.client());
    get(&one).await;
    get(&other).await;
    get(&one.clone()).await;
    assert_eq!(
        recorder.timings().iter().map(Timings::reuse).collect::<Vec<_>>(),
        [Reuse::New, Reuse::New, Reuse::Reused]
    );
    assert_eq!(outbound.connections().len(), 2);
    drop((one, other));
    recorder.settled().await;
    assert!(outbound.connections().is_empty());
}

#[tokio::test]
async fn outbound_client_burst_of_32_reuses_its_32_connections() {
    const BURST: usize = 32;
    let gate = Gate::new();
    let server = ScriptedServer::tcp(Script::new().read_request().wait(&gate).write(HTTP_1).repeat());
    let server = server.await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    for burst in 1..=2 {
        let requests = (0..BURST).map(|_| async {
            client.get(server.uri("/")).await.unwrap().into_body().bytes().await.unwrap();
        });
        // The first burst is answered only when each of its requests has a connection.
        let all_there = async {
            server
                .wait_until(|log| {
                    log.iter().filter(|connection| !connection.heads.is_empty()).count() == BURST
                })
                .await;
            gate.open();
        };
        tokio::join!(futures_util::future::join_all(requests), all_there);
        // Tasks of hyper-util return the connections to the pool.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((server.accepted(), outbound.connections().len()), (BURST, BURST), "after burst {burst}");
    }
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok"; 2 * BURST]);
}
