use futures_util::future::join_all;
use outbound_tests::gate::Gate;
use outbound_tests::server::{H2Server, LoadServer, Script, ScriptedServer};
use tokio::time::Instant;
use tower_outbound::pool::WhenFull;
use tower_outbound::{Kind, Phase, SendState};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn limit_of_10_holds_for_1000_callers() {
    let server = LoadServer::builder().uses(10_000..=10_000).start().await.unwrap();
    let (pool, recorder) = tcp(|pool| pool.max_connections_per_origin(10));
    let calls = (0..1000).map(|_| tokio::spawn(read!(pool, request(server.uri("/")))));
    let calls: Vec<_> = calls.collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(server.peak() <= 10, "{} sockets", server.peak());
    drop(pool);
    recorder.settled().await;
    assert_eq!(recorder.gauges(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_the_order_of_arrival() {
    let (server, peer) =
        ScriptedServer::duplex(Script::new().read_request().sleep(ms(10)).write(OK).repeat());
    let (pool, _) = duplex(peer, |pool| pool.max_connections_per_origin(1));
    let start = Instant::now();
    let calls = (0..5).map(|_| {
        let call = read!(pool, request(server.uri("/")));
        async move { call.await.map(|_| start.elapsed()) }
    });
    let ended: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ended, [10, 20, 30, 40, 50].map(ms));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn acquire_timeout_names_origin_limit_and_key() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let (pool, _) = duplex(peer, |pool| pool.max_connections_per_origin(1).acquire_timeout(ms(50)));
    let uri = server.uri("/");
    let held = tokio::spawn(read!(pool, request(uri.clone())));
    server.wait_until(|log| log.iter().any(|connection| !connection.raw.is_empty())).await;
    let (failure, message) = failure(read!(pool, request(uri.clone())).await);
    assert_eq!((failure.kind(), failure.phase()), (Kind::PoolTimeout, Some(Phase::Acquire)));
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
    let origin = format!("http://{}:{}", uri.host().unwrap(), uri.port_u16().unwrap_or(80));
    assert_eq!(
        message,
        format!(
            "no connection to {origin} within 50.000ms: 1 of 1 connections to it are open and 0 requests are waiting; \
             raise `max_connections_per_origin` or `acquire_timeout`"
        )
    );
    held.abort();
}

#[tokio::test(start_paused = true)]
async fn queue_beyond_max_waiting_fails_at_once() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let (pool, _) = duplex(peer, |pool| pool.max_connections_per_origin(1).max_waiting(1));
    let held: Vec<_> = (0..2).map(|_| tokio::spawn(read!(pool, request(server.uri("/"))))).collect();
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let (failure, message) = failure(read!(pool, request(server.uri("/"))).await);
    assert_eq!((failure.kind(), failure.phase()), (Kind::QueueFull, Some(Phase::Acquire)));
    assert!(message.ends_with("raise `max_connections_per_origin` or `max_waiting`"), "{message}");
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn overflow_opens_above_limit_and_keeps_the_limit() {
    let gate = Gate::new();
    let script = Script::new().read_request().wait(&gate).write(OK).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (pool, recorder) = tcp(|pool| pool.max_connections_per_origin(5).when_full(WhenFull::Overflow));
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(read!(pool, request(server.uri("/"))))).collect();
    server.wait_until(|log| log.iter().filter(|connection| !connection.raw.is_empty()).count() == 8).await;
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    recorder.wait_until(|recorder| recorder.gauges() == (0, 5)).await;
    assert_eq!(recorder.close_reasons(), ["surplus"; 3]);
}

#[tokio::test]
async fn idle_connection_of_other_origin_makes_room() {
    let [first, second] = [(); 2].map(|()| ScriptedServer::tcp(Script::answering(OK)));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let (pool, recorder) = tcp(|pool| pool.max_connections(1));
    for server in [&first, &second, &first] {
        read!(pool, request(server.uri("/"))).await.unwrap();
    }
    assert_eq!([first.accepted(), second.accepted()], [2, 1]);
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    assert_eq!(recorder.close_reasons(), ["surplus"; 2]);
}

#[tokio::test(start_paused = true)]
async fn connect_of_cancelled_request_serves_the_next() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(OK));
    let (pool, recorder) = duplex(peer.delay(ms(100)), |pool| pool);
    let cancelled = tokio::time::timeout(ms(50), read!(pool, request(server.uri("/")))).await;
    assert!(cancelled.is_err());
    let start = Instant::now();
    read!(pool, request(server.uri("/"))).await.unwrap();
    assert_eq!(start.elapsed(), ms(50), "the rest of the connect");
    assert_eq!(server.accepted(), 1);
    assert_eq!(recorder.count("ConnectStarted"), 1);
}

#[tokio::test]
async fn failed_connect_fails_each_request_that_waits() {
    let address = outbound_tests::server::closed_port().unwrap();
    let uri: Uri = format!("http://{address}/").parse().unwrap();
    let (pool, recorder) = tcp(|pool| pool.http2_only(true));
    let results = join_all((0..3).map(|_| read!(pool, request(uri.clone())))).await;
    for result in results {
        let (failure, _) = failure(result);
        assert_eq!((failure.kind(), failure.phase()), (Kind::ConnectionRefused, Some(Phase::Tcp)));
    }
    assert_eq!(recorder.count("ConnectStarted"), 1, "one connect for all");
}

#[tokio::test]
async fn http2_opens_another_connection_when_streams_are_used_up() {
    let gate = Gate::new();
    let held = gate.clone();
    let handler = move |request: Request<hyper::body::Incoming>| {
        let held = held.clone();
        async move {
            if request.uri().path() == "/held" {
                held.wait().await;
            }
            http::Response::new(Full::new(Bytes::from("ok")))
        }
    };
    let server = H2Server::builder().max_concurrent_streams(1).start(handler).await.unwrap();
    let (pool, _) = tcp(|pool| pool.http2_only(true).max_connections_per_origin(2));
    read!(pool, request(server.uri("/"))).await.unwrap();
    let first = tokio::spawn(read!(pool, request(server.uri("/held"))));
    tokio::task::yield_now().await;
    read!(pool, request(server.uri("/"))).await.unwrap();
    assert_eq!(server.accepted(), 2);
    gate.open();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn connect_after_waits_for_busy_connection_first() {
    for (answer, connections) in [(10, 1), (30, 2)] {
        let script = Script::new().read_request().sleep(ms(answer)).write(OK).repeat();
        let (server, peer) = ScriptedServer::duplex(script);
        let (pool, _) = duplex(peer, |pool| pool.connect_after(ms(20)));
        let uri = server.uri("/");
        // The first connect waits for nothing.
        read!(pool, request(uri.clone())).await.unwrap();
        let start = Instant::now();
        let calls = (0..2).map(|_| {
            let call = read!(pool, request(uri.clone()));
            async move { call.await.map(|_| start.elapsed()) }
        });
        let ended: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        let second = if connections == 1 { 2 * answer } else { 20 + answer };
        assert_eq!((ended, server.accepted()), (vec![ms(answer), ms(second)], connections));
    }
}
