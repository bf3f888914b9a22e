//! PINGs: a connection whose peer has vanished closes as `silent`, and no request after the first burst fails on it.

use std::future::Future;

use futures_util::future::join_all;
use hyper_util::rt::TokioTimer;
use outbound_tests::faults::frames::PING;
use outbound_tests::server::Script;
use tokio::time::Instant;
use tower_outbound::hyper::HandshakeLayer;
use tower_outbound::{Kind, Phase};

use super::*;
use crate::support::recorded;

/// Answers one request, then receives and says nothing: its route is gone.
fn vanishes() -> Script {
    Script::new().write(settings(100)).sleep(ms(10)).write(ok(1)).read_to_end()
}

/// Answers four requests.
fn answers() -> Script {
    let four = [ok(1), ok(3), ok(5), ok(7)].concat();
    Script::new().write(settings(100)).sleep(ms(10)).write(four).read_to_end()
}

/// The number of the client's PINGs on the first connection.
fn pings(server: &ScriptedServer) -> usize {
    let raw = server.log()[0].raw.clone();
    raw.windows(9).filter(|head| **head == [0, 0, 8, PING, 0, 0, 0, 0, 0]).count()
}

/// Longer than a PING's interval and timeout together, shorter than the idle timeout.
fn a_while() -> impl Future<Output = ()> {
    tokio::time::sleep(Duration::from_secs(25))
}

#[tokio::test(start_paused = true)]
async fn keep_alive_default_ends_burst_on_vanished_peer_within_20_s() {
    let (server, peer) = ScriptedServer::duplex(vanishes());
    let (outbound, recorder) = recorded();
    let mut connect = HandshakeLayer::http2().layer(outbound.connector(peer));
    let sender = connect.call(server.uri("/")).await.unwrap();
    let client = outbound.attempt_layer().layer(sender);
    read(&client, get(&server)).await.unwrap();
    a_while().await;
    assert_eq!(pings(&server), 0, "no stream was open");

    let start = Instant::now();
    for result in join_all((0..3).map(|_| read(&client, get(&server)))).await {
        let failure = result.unwrap_err().failure().clone();
        assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseTimeout, Some(Phase::Wait)));
    }
    let took = start.elapsed();
    assert!(took <= Duration::from_secs(20), "{took:?}");
    assert_eq!(pings(&server), 1);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["silent"]);
}

/// hyper-util's client with the options that `OutboundClient` gives it.
fn with_pings<C: Connect + Clone>(outbound: &Outbound, connector: C, while_idle: bool) -> Stack<C> {
    let interval = if while_idle { ms(500) } else { Duration::from_secs(10) };
    let client = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_only(true)
        .http2_keep_alive_interval(interval)
        .http2_keep_alive_timeout(interval)
        .http2_keep_alive_while_idle(while_idle)
        .build(connector);
    outbound.attempt_layer().layer(client)
}

#[tokio::test(start_paused = true)]
async fn keep_alive_nothing_fails_after_first_burst() {
    let (server, peer) = ScriptedServer::duplex([vanishes(), answers()]);
    let (outbound, recorder) = recorded();
    let client = with_pings(&outbound, outbound.connector(peer), false);
    read(&client, get(&server)).await.unwrap();
    a_while().await;
    let failed = join_all((0..3).map(|_| read(&client, get(&server)))).await;
    assert!(failed.iter().all(Result::is_err));
    let after = join_all((0..4).map(|_| read(&client, get(&server)))).await;
    assert!(after.iter().all(Result::is_ok), "{after:?}");
    assert_eq!(recorder.close_reasons(), ["silent"]);
}

#[tokio::test(start_paused = true)]
async fn keep_alive_while_idle_no_request_meets_vanished_peer() {
    let (server, peer) = ScriptedServer::duplex([vanishes(), answers()]);
    let (outbound, recorder) = recorded();
    let client = with_pings(&outbound, outbound.connector(peer), true);
    read(&client, get(&server)).await.unwrap();
    tokio::time::sleep(ms(1500)).await;
    assert_eq!(recorder.close_reasons(), ["silent"]);
    let after = join_all((0..4).map(|_| read(&client, get(&server)))).await;
    assert!(after.iter().all(Result::is_ok), "{after:?}");
    assert_eq!(recorder.outcomes(), ["ok"; 5]);
}

#[tokio::test]
async fn keep_alive_of_outbound_client_replaces_vanished_connection() {
    // More than preface, SETTINGS, WINDOW_UPDATE and SETTINGS ACK have: a part of the request.
    let vanishes = Script::new().write(settings(100)).read_exact(110).write(ok(1)).read_to_end();
    let answers = Script::new().write(settings(100)).read_exact(110).write(ok(1)).read_to_end();
    let server = ScriptedServer::tcp([vanishes, answers]).await.unwrap();
    let (outbound, recorder) = recorded();
    let builder = outbound.client_builder().http2_only(true).keep_alive_interval(ms(50));
    let client = builder.keep_alive_timeout(ms(50)).keep_alive_while_idle(true).build();
    read(&client, get(&server)).await.unwrap();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    read(&client, get(&server)).await.unwrap();
    assert_eq!(recorder.outcomes(), ["ok"; 2]);
}

#[tokio::test(start_paused = true)]
async fn keep_alive_of_zero_sends_no_ping() {
    for [interval, timeout] in [[0, 10], [10, 0]].map(|pair| pair.map(Duration::from_secs)) {
        let (server, peer) = ScriptedServer::duplex(vanishes());
        let (outbound, _) = recorded();
        let layer = HandshakeLayer::http2().keep_alive_interval(interval).keep_alive_timeout(timeout);
        let sender = layer.layer(outbound.connector(peer)).call(server.uri("/")).await.unwrap();
        let client = outbound.attempt_layer().layer(sender);
        read(&client, get(&server)).await.unwrap();
        // The first byte's timeout is later.
        let unanswered = tokio::time::timeout(Duration::from_secs(59), read(&client, get(&server))).await;
        assert!(unanswered.is_err());
        assert_eq!(pings(&server), 0);
    }
}
