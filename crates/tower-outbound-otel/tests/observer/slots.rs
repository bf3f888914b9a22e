//! Slots of the in-flight limit.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use opentelemetry::Context;
use outbound_tests::server::{Script, ScriptedServer};
use tower::{Layer, ServiceExt};
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::pool::Pool;
use tower_outbound::{BoxError, Outbound, Phase};

use crate::support::*;

fn limited(rig: &Rig, options: impl FnOnce(OutboundBuilder) -> OutboundBuilder) -> Outbound {
    options(Outbound::builder().observer(rig.observer().build())).build()
}

/// The only value of a gauge; checks its attributes.
#[track_caller]
fn gauge(rig: &Rig, name: &str) -> f64 {
    let values = rig.values(name);
    let [(attributes, value)] = values.as_slice() else { panic!("{name}: {values:?}") };
    assert_eq!(*attributes, expected([("server.address", "a.example"), ("url.scheme", "http")]));
    *value
}

fn gauges(rig: &Rig) -> [f64; 3] {
    ["outbound.slot.limit", "outbound.slot.usage", "outbound.slot.waiting"].map(|name| gauge(rig, name))
}

#[tokio::test]
async fn slot_gauges_show_limit_usage_and_waiting_then_zero() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder.max_in_flight_per_origin(2).max_in_flight(7));
    let service = answering(&outbound, 200);
    let held = [
        service.clone().oneshot(get("http://a.example/")).await.unwrap(),
        service.clone().oneshot(get("http://a.example/")).await.unwrap(),
    ];
    let mut waiting = Box::pin(attempt(&service, get("http://a.example/")));
    wait(waiting.as_mut()).await;
    assert_eq!(gauges(&rig), [2.0, 2.0, 1.0]);
    assert_eq!(rig.metrics()["outbound.slot.limit"].0, "{request}");
    drop(held);
    assert_eq!(waiting.await, Some(200));
    assert_eq!(gauges(&rig), [2.0, 0.0, 0.0]);
    drop(service);
    drop(outbound);
    assert_eq!(gauges(&rig), [0.0, 0.0, 0.0]);
}

/// Polls a future once, and checks that it waits.
async fn wait<F: Future>(mut future: Pin<&mut F>) {
    let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(polled, "the future did not wait");
}

#[tokio::test]
async fn slot_queue_span_only_for_attempt_that_waited() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder.max_in_flight_per_origin(1).max_queued(1));
    let service = answering(&outbound, 200);
    let held = service.clone().oneshot(get("http://a.example/")).await.unwrap();
    let mut waiting = pin!(attempt(&service, get("http://a.example/")));
    wait(waiting.as_mut()).await;
    assert_eq!(attempt(&service, get("http://a.example/")).await, None, "the queue is full");
    drop(held);
    assert_eq!(waiting.await, Some(200));

    let queue = rig.span("outbound.queue");
    let attempts: Vec<_> = rig.spans().into_iter().filter(|span| span.name == "GET").collect();
    assert_eq!(attempts.len(), 3);
    let parents: Vec<_> = attempts.iter().filter(|span| is_child(&queue, span)).collect();
    assert_eq!(parents.len(), 1);
    assert!(queue.start_time >= parents[0].start_time && queue.end_time <= parents[0].end_time);
    assert!(queue.end_time > queue.start_time);
    let refused = attempts.iter().map(attributes).find(|span| span.contains_key("error.type")).unwrap();
    assert_eq!((refused["error.type"].as_str(), refused["outbound.phase"].as_str()), ("queue_full", "queue"));
    assert_eq!(refused["outbound.send_state"], "not_sent");

    let phases: Vec<_> = rig
        .values("outbound.phase.duration")
        .into_iter()
        .filter(|(attributes, _)| attributes["outbound.phase"] == Phase::Queue.as_str())
        .map(|(attributes, count)| (attributes.get("error.type").cloned(), count))
        .collect();
    assert_eq!(phases, [(Some("queue_full".to_owned()), 1.0), (None, 2.0)]);
}

#[tokio::test]
async fn slot_of_suppressed_attempt_not_counted() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder.max_in_flight_per_origin(1));
    let service = answering(&outbound, 200);
    let held = {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        tower::Service::call(&mut service.clone(), get("http://a.example/"))
    };
    let held = held.await.unwrap();
    assert!(rig.values("outbound.slot.usage").is_empty());
    let mut waiting = pin!(attempt(&service, get("http://a.example/")));
    wait(waiting.as_mut()).await;
    drop(held);
    assert_eq!(waiting.await, Some(200));
    assert_eq!(gauges(&rig), [1.0, 0.0, 0.0]);
}

#[tokio::test]
async fn slot_gauges_count_in_flight_layer_without_attempt_layer() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder);
    let layer = outbound.in_flight_limit_layer().max_in_flight(3);
    let service = layer.layer(tower::service_fn(|_| async { Ok::<_, BoxError>(status(200)) }));
    let response = service.clone().oneshot(get("http://a.example/")).await.unwrap();
    let usage = gauge(&rig, "outbound.slot.usage");
    assert_eq!((gauge(&rig, "outbound.slot.limit"), usage), (3.0, 1.0));
    drop(response);
    assert_eq!(gauge(&rig, "outbound.slot.usage"), 0.0);
}

/// The first request has the only connection, which its unread body keeps.
#[tokio::test(start_paused = true)]
async fn waiting_for_connection_of_pool_is_gauged_then_zero() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder);
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n";
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().write(ok).read_to_end());
    let pool = Pool::builder().max_connections_per_origin(1).build(outbound.connector(peer));
    let service = outbound.attempt_layer().layer(pool);
    let held = service.clone().oneshot(get("http://a.example/")).await.unwrap();
    assert_eq!(gauge(&rig, "outbound.connection.waiting"), 0.0);
    let mut waiting = Box::pin(service.oneshot(get("http://a.example/")));
    wait(waiting.as_mut()).await;
    assert_eq!(gauge(&rig, "outbound.connection.waiting"), 1.0);
    assert_eq!(rig.metrics()["outbound.connection.waiting"].0, "{connection}");
    drop(waiting);
    assert_eq!(gauge(&rig, "outbound.connection.waiting"), 0.0);
    drop((held, server));
}
