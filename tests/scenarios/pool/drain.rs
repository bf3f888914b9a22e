//! A response's body that is dropped before its end.

use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tokio::time::Instant;

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n";

#[tokio::test]
async fn dropped_body_within_bounds_keeps_its_connection() {
    let gate = Gate::new();
    let script = Script::new().read_request().write(HEAD).write("x").wait(&gate).write("x".repeat(19_999));
    let server = ScriptedServer::tcp(script.read_request().write(OK).read_to_end()).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().pool(|pool| pool.max_connections_per_origin(1)).build();
    drop(client.get(server.uri("/")).await.unwrap());
    gate.open();
    client.get(server.uri("/")).await.unwrap().into_body().bytes().await.unwrap();
    assert_eq!((server.accepted(), server.requests()), (1, 2));
    assert_eq!(recorder.outcomes(), ["cancelled in body", "ok"]);
    assert!(recorder.close_reasons().is_empty());
}

#[tokio::test]
async fn dropped_body_beyond_bounds_closes_its_connection() {
    let large = "HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\nx";
    let unknown = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n186a0\r\n";
    for (head, rest) in [(large, 0), (unknown, 100_000)] {
        let held = Script::new().read_request().write(head).write("x".repeat(rest)).read_to_end();
        let server = ScriptedServer::tcp([held, Script::answering(OK)]).await.unwrap();
        let (pool, recorder) = tcp(|pool| pool.max_connections_per_origin(1));
        drop(pool.clone().oneshot(request(server.uri("/"))).await.unwrap());
        read!(pool, request(server.uri("/"))).await.unwrap();
        assert_eq!(server.accepted(), 2);
        assert_eq!(recorder.close_reasons().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_body_that_stalls_closes_after_50_ms() {
    for (options, after) in [
        ((|pool| pool) as fn(PoolBuilder) -> PoolBuilder, 50),
        (|pool| pool.drain_timeout(ms(200)), 200),
        (|pool| pool.drain_timeout(Duration::ZERO), 0),
        (|pool| pool.drain_up_to(0), 0),
    ] {
        let (server, peer) =
            ScriptedServer::duplex(Script::new().read_request().write(HEAD).write("x").read_to_end());
        let (pool, recorder) = duplex(peer, options);
        let response = pool.oneshot(request(server.uri("/"))).await.unwrap();
        let start = Instant::now();
        drop(response);
        recorder.wait_until(|recorder| recorder.close_reasons().len() == 1).await;
        assert_eq!(start.elapsed(), ms(after));
    }
}
