//! The reset that comes when requests wait in vain.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tower_outbound::outbound::Reset;
use tower_outbound::{Event, Kind};

use super::*;
use crate::log::Lines;

#[tokio::test(start_paused = true)]
async fn recovery_resets_silent_origin_within_one_acquire_timeout() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_env_filter("off,tower_outbound=warn").with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(lines.clone()).finish());
    let seen: Arc<Mutex<Vec<(String, u32, Reset)>>> = Arc::default();
    let recovered = seen.clone();
    let observer = move |event: &Event<'_>| {
        if let Event::Recovered { origin, timeouts, reset, .. } = event {
            recovered.lock().unwrap().push((origin.to_string(), *timeouts, *reset));
        }
    };
    let peer = ScriptedServer::duplex(silent_first(2));
    let options = |pool: PoolBuilder| pool.max_connections_per_origin(2).acquire_timeout(ms(1000));
    let stack = Stack::new(&peer, |outbound| outbound.recover_after(2).observer(observer), options);
    let begun = Instant::now();
    let held = [stack.call(), stack.call()];
    stack.settle(&peer.0, 2).await;
    let in_vain = [stack.call(), stack.call()];
    tokio::time::sleep(ms(500)).await;
    assert_eq!(stack.call().await.unwrap().unwrap(), "ok");
    assert_eq!(begun.elapsed(), ms(1000), "back when the first ones have waited in vain");
    for call in in_vain {
        assert_eq!(call.await.unwrap().unwrap_err().failure().kind(), Kind::PoolTimeout);
    }
    for held in held {
        assert_eq!(held.await.unwrap().unwrap_err().failure().kind(), Kind::ConnectionAborted);
    }
    let seen = seen.lock().unwrap().clone();
    let [(origin, 2, reset)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((reset.closed, reset.draining, reset.cut), (0, 0, 2));
    let log = lines.text();
    assert_eq!(log.matches("automatic recovery: connections are reset").count(), 1, "{log}");
    assert!(log.contains(&format!(" WARN tower_outbound: automatic recovery: connections are reset, since requests waited for them in vain origin={origin} timeouts=2")), "{log}");
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn recovery_is_off_by_default() {
    let peer = ScriptedServer::duplex(silent_first(1));
    let options = |pool: PoolBuilder| pool.max_connections_per_origin(1).acquire_timeout(ms(1000));
    let stack = Stack::new(&peer, |outbound| outbound, options);
    let held = stack.call();
    stack.settle(&peer.0, 1).await;
    for _ in 0..5 {
        assert_eq!(stack.call().await.unwrap().unwrap_err().failure().kind(), Kind::PoolTimeout);
    }
    assert!(!held.is_finished());
    assert_eq!(stack.recorder.count("Recovered"), 0);
    held.abort();
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn recovery_counts_waits_for_a_slot_too() {
    let peer = ScriptedServer::duplex(silent_first(1));
    let options = |outbound: OutboundBuilder| {
        outbound.max_in_flight_per_origin(1).acquire_timeout(ms(1000)).recover_after(1)
    };
    let stack = Stack::new(&peer, options, |pool| pool);
    let held = stack.call();
    stack.settle(&peer.0, 1).await;
    assert_eq!(stack.call().await.unwrap().unwrap_err().failure().kind(), Kind::PoolTimeout);
    assert_eq!(held.await.unwrap().unwrap_err().failure().kind(), Kind::ConnectionAborted);
    assert_eq!(stack.call().await.unwrap().unwrap(), "ok");
    assert_eq!(stack.recorder.count("Recovered"), 1);
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn recovery_comes_once_an_interval() {
    let peer = ScriptedServer::duplex(silent());
    let options = |pool: PoolBuilder| pool.max_connections_per_origin(1).acquire_timeout(ms(1000));
    let recovers = |outbound: OutboundBuilder| outbound.recover_after(1).recover_interval(ms(10_000));
    let stack = Stack::new(&peer, recovers, options);
    let begun = Instant::now();
    let mut recovered = Vec::new();
    while begun.elapsed() < ms(25_000) {
        let before = stack.recorder.count("Recovered");
        let held = stack.call();
        tokio::time::sleep(ms(1)).await;
        let _ = stack.call().await.unwrap().unwrap_err();
        if stack.recorder.count("Recovered") > before {
            recovered.push(begun.elapsed().as_secs());
        }
        held.abort();
    }
    assert_eq!(recovered.len(), 3, "{recovered:?}");
    assert!(recovered.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{recovered:?}");
    stack.end().await;
}

#[tokio::test(start_paused = true)]
async fn recovery_leaves_an_origin_that_is_heard() {
    let script = Script::new().read_request().sleep(ms(1500)).write(OK).repeat();
    let peer = ScriptedServer::duplex(script);
    let options = |pool: PoolBuilder| pool.max_connections_per_origin(1).acquire_timeout(ms(2000));
    let stack = Stack::new(&peer, |outbound| outbound.recover_after(1), options);
    let calls: Vec<_> = (0..6).map(|_| stack.call()).collect();
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.unwrap().is_ok());
    }
    assert_eq!(outcomes, [true, true, false, false, false, false], "it is full, and not silent");
    assert_eq!(stack.recorder.count("Recovered"), 0);
    assert_eq!(peer.0.accepted(), 1);
    stack.end().await;
}
