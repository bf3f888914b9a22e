//! The slots of a limit of requests in flight.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use opentelemetry::Context;
use tower::{Layer, ServiceExt};
use tower_outbound::{BoxError, Outbound, OutboundBuilder, Phase};

use crate::support::*;

fn limited(rig: &Rig, options: impl FnOnce(OutboundBuilder) -> OutboundBuilder) -> Outbound {
    options(Outbound::builder().observer(rig.observer().build())).build()
}

/// The only value of a gauge, which has the attributes that all of ours have.
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
async fn gauges_show_the_limit_what_is_in_flight_and_who_waits_and_go_back_to_zero() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder.max_in_flight_per_origin(2).max_in_flight(7));
    let service = answering(&outbound, 200);
    let held = [
        service.clone().oneshot(get("http://a.example/")).await.unwrap(),
        service.clone().oneshot(get("http://a.example/")).await.unwrap(),
    ];
    let mut waiting = Box::pin(exchange(&service, get("http://a.example/")));
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

/// Polls it once: it waits.
async fn wait<F: Future>(mut future: Pin<&mut F>) {
    let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(polled, "it did not wait");
}

#[tokio::test]
async fn an_exchange_that_had_to_wait_has_a_span_of_its_queue_and_others_have_none() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder.max_in_flight_per_origin(1).max_queued(1));
    let service = answering(&outbound, 200);
    let held = service.clone().oneshot(get("http://a.example/")).await.unwrap();
    let mut waiting = pin!(exchange(&service, get("http://a.example/")));
    wait(waiting.as_mut()).await;
    assert_eq!(exchange(&service, get("http://a.example/")).await, None, "the queue is full");
    drop(held);
    assert_eq!(waiting.await, Some(200));

    let queue = rig.span("outbound.queue");
    let exchanges: Vec<_> = rig.spans().into_iter().filter(|span| span.name == "GET").collect();
    assert_eq!(exchanges.len(), 3);
    let parents: Vec<_> = exchanges.iter().filter(|span| is_child(&queue, span)).collect();
    assert_eq!(parents.len(), 1);
    assert!(queue.start_time >= parents[0].start_time && queue.end_time <= parents[0].end_time);
    assert!(queue.end_time > queue.start_time);
    let refused = exchanges.iter().map(attributes).find(|span| span.contains_key("error.type")).unwrap();
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
async fn slots_of_exchanges_that_are_suppressed_are_not_counted() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder.max_in_flight_per_origin(1));
    let service = answering(&outbound, 200);
    let held = {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        tower::Service::call(&mut service.clone(), get("http://a.example/"))
    };
    let held = held.await.unwrap();
    assert!(rig.values("outbound.slot.usage").is_empty());
    let mut waiting = pin!(exchange(&service, get("http://a.example/")));
    wait(waiting.as_mut()).await;
    drop(held);
    assert_eq!(waiting.await, Some(200));
    assert_eq!(gauges(&rig), [1.0, 0.0, 0.0]);
}

#[tokio::test]
async fn a_layer_without_an_exchange_above_is_counted_too() {
    let rig = Rig::new();
    let outbound = limited(&rig, |builder| builder);
    let layer = tower_outbound::InFlightLimitLayer::new(outbound.registry().clone()).total(3);
    let service = layer.layer(tower::service_fn(|_| async { Ok::<_, BoxError>(status(200)) }));
    let response = service.clone().oneshot(get("http://a.example/")).await.unwrap();
    let usage = gauge(&rig, "outbound.slot.usage");
    assert_eq!((gauge(&rig, "outbound.slot.limit"), usage), (3.0, 1.0));
    drop(response);
    assert_eq!(gauge(&rig, "outbound.slot.usage"), 0.0);
}
