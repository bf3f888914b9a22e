//! `reset` at the limit.

use tokio::time::Instant;
use tower_outbound::{Kind, Phase, SendState};

use super::*;
use crate::timeouts::http2::{data, ok, settings};

/// The messages of an error and its sources.
fn chain(error: &Error) -> String {
    let sources = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(start_paused = true)]
async fn reset_cuts_silent_connections_whose_places_are_wanted() {
    let peer = ScriptedServer::duplex(silent_first(2));
    let stack = Stack::new(&peer, |outbound| outbound, |pool| pool.max_connections_per_origin(2));
    let held = [stack.call(), stack.call()];
    stack.settle(&peer.0, 2).await;
    let waits = stack.call();
    tokio::time::sleep(ms(7000)).await;
    let called = Instant::now();
    let reset = stack.outbound.reset();
    assert_eq!((reset.closed, reset.draining, reset.cut), (0, 0, 2));
    assert_eq!(waits.await.unwrap().unwrap(), "ok");
    assert_eq!(called.elapsed(), ms(0), "back at once");
    for held in held {
        let error = held.await.unwrap().unwrap_err();
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.phase()), (Kind::ConnectionAborted, Some(Phase::Wait)));
        assert_eq!(failure.send_state(), Some(SendState::Sent));
        assert!(
            chain(&error)
                .contains("its origin was silent, and other requests waited (see `pool.silent_after`)")
        );
    }
    assert_eq!(stack.recorder.close_reasons(), ["reset"; 2]);
    assert_eq!(peer.0.accepted(), 3, "one for the request that waited");
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn reset_cuts_once_the_origin_has_been_silent_for_5_s() {
    let peer = ScriptedServer::duplex(silent_first(1));
    let stack = Stack::new(&peer, |outbound| outbound, |pool| pool.max_connections_per_origin(1));
    let begun = Instant::now();
    let held = stack.call();
    stack.settle(&peer.0, 1).await;
    let reset = stack.outbound.reset();
    assert_eq!((reset.closed, reset.draining, reset.cut), (0, 1, 0));
    tokio::time::sleep(ms(1000)).await;
    assert_eq!(stack.call().await.unwrap().unwrap(), "ok", "although it came after the reset");
    assert!((ms(5000)..ms(5100)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(held.await.unwrap().unwrap_err().failure().kind(), Kind::ConnectionAborted);
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn reset_cuts_nothing_that_no_request_waits_for() {
    let script = Script::new().read_request().sleep(ms(20_000)).write(OK).repeat();
    let peer = ScriptedServer::duplex(script);
    let stack = Stack::new(&peer, |outbound| outbound, |pool| pool.max_connections_per_origin(2));
    let held = stack.call();
    stack.settle(&peer.0, 1).await;
    tokio::time::sleep(ms(7000)).await;
    let reset = stack.outbound.reset();
    assert_eq!((reset.draining, reset.cut), (1, 0));
    // There is another place.
    let other = stack.call();
    assert_eq!(held.await.unwrap().unwrap(), "ok");
    assert_eq!(other.await.unwrap().unwrap(), "ok");
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn reset_cuts_nothing_of_an_origin_that_is_heard() {
    let slow = Script::new().read_request().sleep(ms(12_000)).write(OK).repeat();
    // Sends a byte of a body each second.
    let mut trickles = Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n");
    for _ in 0..14 {
        trickles = trickles.write("x").sleep(ms(1000));
    }
    let peer = ScriptedServer::duplex(vec![slow, trickles, Script::answering(OK)]);
    let stack = Stack::new(&peer, |outbound| outbound, |pool| pool.max_connections_per_origin(2));
    let held = [stack.call(), stack.call()];
    stack.settle(&peer.0, 2).await;
    let waits = stack.call();
    tokio::time::sleep(ms(7000)).await;
    assert_eq!(stack.outbound.reset().cut, 0);
    for held in held {
        held.await.unwrap().unwrap();
    }
    waits.await.unwrap().unwrap();
    assert_eq!(stack.recorder.outcomes(), ["ok"; 3]);
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn reset_never_cuts_a_response_that_has_begun() {
    let stalls = Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
    let peer = ScriptedServer::duplex(stalls.sleep(ms(20_000)).write("k").repeat());
    let stack = Stack::new(&peer, |outbound| outbound, |pool| pool.max_connections_per_origin(1));
    let held = stack.call();
    stack.settle(&peer.0, 1).await;
    let waits = stack.call();
    tokio::time::sleep(ms(7000)).await;
    assert_eq!(stack.outbound.reset().cut, 0);
    assert_eq!(held.await.unwrap().unwrap(), "ok");
    assert_eq!(waits.await.unwrap().unwrap(), "ok");
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn reset_with_silent_after_of_zero_cuts_none() {
    let peer = ScriptedServer::duplex(Script::new().read_request().sleep(ms(20_000)).write(OK).repeat());
    let options = |pool: PoolBuilder| pool.max_connections_per_origin(1).silent_after(Duration::ZERO);
    let stack = Stack::new(&peer, |outbound| outbound, options);
    let held = stack.call();
    stack.settle(&peer.0, 1).await;
    let waits = stack.call();
    tokio::time::sleep(ms(7000)).await;
    assert_eq!(stack.outbound.reset().cut, 0);
    assert_eq!(held.await.unwrap().unwrap(), "ok");
    assert_eq!(waits.await.unwrap().unwrap(), "ok");
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn reset_cuts_silent_connections_whose_slots_are_wanted() {
    let peer = ScriptedServer::duplex(silent_first(2));
    let stack = Stack::new(&peer, |outbound| outbound.max_in_flight_per_origin(2), |pool| pool);
    let held = [stack.call(), stack.call()];
    stack.settle(&peer.0, 2).await;
    let begun = Instant::now();
    assert_eq!(stack.outbound.reset().cut, 0);
    let waits = stack.call();
    assert_eq!(waits.await.unwrap().unwrap(), "ok");
    assert!((ms(5000)..ms(5100)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    for held in held {
        assert_eq!(held.await.unwrap().unwrap_err().failure().kind(), Kind::ConnectionAborted);
    }
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn reset_cuts_silent_http2_connection_whose_place_is_wanted() {
    let silent = Script::new().write(settings()).read_to_end();
    let answers =
        Script::new().write(settings()).sleep(ms(10)).write(ok(1, false)).write(data(1, b"ok", true));
    let peer = ScriptedServer::duplex(vec![silent, answers.read_to_end()]);
    let options = |pool: PoolBuilder| {
        let pool = pool.http2_only(true).max_streams(1).keep_alive_interval(Duration::ZERO);
        pool.max_connections_per_origin(1)
    };
    let stack = Stack::new(&peer, |outbound| outbound, options);
    let held = stack.call();
    tokio::time::sleep(ms(10)).await;
    let waits = stack.call();
    tokio::time::sleep(ms(7000)).await;
    assert_eq!(stack.outbound.reset().cut, 1);
    assert_eq!(waits.await.unwrap().unwrap(), "ok");
    assert_eq!(held.await.unwrap().unwrap_err().failure().kind(), Kind::ConnectionAborted);
    assert_eq!(stack.recorder.close_reasons(), ["reset"]);
    stack.end().await;
}
