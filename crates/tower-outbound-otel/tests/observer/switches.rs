//! What is recorded, switched while requests are under way.

use http_body_util::BodyExt;
use outbound_tests::gate::Gate;
use outbound_tests::server::{LoadServer, Script, ScriptedServer};
use tower_outbound::event::{MetricDetail, PhaseDetail};
use tower_outbound::settings::Settings;
use tower_outbound::{Outbound, OutboundClient};
use tower_outbound_otel::Metrics;

use crate::support::*;

async fn read(client: &OutboundClient, uri: &http::Uri) {
    client.get(uri.clone()).await.unwrap().into_body().collect().await.unwrap();
}

fn sum(rig: &Rig, metric: &str) -> f64 {
    rig.values(metric).iter().map(|(_, value)| value).sum()
}

/// Durations of requests (core), calls (not core), and what is open: requests and connections.
fn counts(rig: &Rig) -> [f64; 4] {
    [
        "http.client.request.duration",
        "outbound.call.attempts",
        "http.client.active_requests",
        "http.client.open_connections",
    ]
    .map(|metric| sum(rig, metric))
}

#[tokio::test]
async fn metrics_stop_and_come_back_and_gauges_stay_right() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (outbound, uri) = (rig.outbound(), server.uri("/"));
    let client = outbound.client();
    for (metrics, expected) in [
        (MetricDetail::All, [1.0, 1.0, 0.0, 1.0]),
        (MetricDetail::Core, [2.0, 1.0, 0.0, 1.0]),
        (MetricDetail::Off, [2.0, 1.0, 0.0, 1.0]),
        (MetricDetail::All, [3.0, 2.0, 0.0, 1.0]),
    ] {
        outbound.apply(&Settings::new().metrics(metrics));
        read(&client, &uri).await;
        assert_eq!(counts(&rig), expected, "{metrics:?}");
    }
    outbound.apply(&Settings::new().metrics(MetricDetail::Off));
    outbound.reset();
    drop(client);
    closed(&outbound).await;
    assert_eq!(counts(&rig), [3.0, 2.0, 0.0, 0.0], "a connection closes while metrics are off");
    assert_eq!(sum(&rig, "outbound.connection.closed"), 0.0);
}

#[tokio::test]
async fn metrics_of_settings_add_none_to_those_of_the_observer() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let outbound = Outbound::builder().observer(rig.observer().metrics(Metrics::Core).build()).build();
    outbound.apply(&Settings::new().metrics(MetricDetail::All));
    read(&outbound.client(), &server.uri("/")).await;
    assert_eq!(counts(&rig), [1.0, 0.0, 0.0, 1.0]);
    assert!(!rig.metrics().contains_key("outbound.call.attempts"));
}

#[tokio::test]
async fn request_in_flight_at_each_switch_leaves_gauges_at_0() {
    let rig = Rig::new();
    let (outbound, gates) = (rig.outbound(), [(); 6].map(|()| Gate::new()));
    let script = |gate: &Gate| Script::new().read_request().wait(gate).write(OK).read_to_end();
    let server = ScriptedServer::tcp(gates.iter().map(script).collect::<Vec<_>>()).await.unwrap();
    let (client, uri) = (outbound.client(), server.uri("/"));
    let switches = [
        Settings::new().metrics(MetricDetail::Off),
        Settings::new(),
        Settings::new().observe(false),
        Settings::new(),
        Settings::new().metrics(MetricDetail::Core),
        Settings::new(),
    ];
    let mut calls = Vec::new();
    for (number, settings) in (1..).zip(&switches) {
        let (client, uri) = (client.clone(), uri.clone());
        calls.push(tokio::spawn(async move { read(&client, &uri).await }));
        server.wait_until(|log| log.iter().filter(|one| one.requests > 0).count() == number).await;
        outbound.apply(settings);
    }
    assert_eq!(counts(&rig)[2..], [5.0, 6.0], "the fourth began while nothing was observed");
    for (gate, call) in gates.iter().zip(calls) {
        gate.open();
        call.await.unwrap();
    }
    drop((client, server));
    closed(&outbound).await;
    assert_eq!(counts(&rig), [5.0, 5.0, 0.0, 0.0]);
    assert_eq!(rig.names().iter().filter(|name| *name == "GET").count(), 5);
}

#[tokio::test]
async fn phases_stop_and_come_back() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (outbound, uri) = (rig.outbound(), server.uri("/"));
    let client = outbound.client();
    read(&client, &uri).await;
    let waits = |rig: &Rig| rig.names().iter().filter(|name| *name == "outbound.wait").count();
    assert_eq!(waits(&rig), 1);
    for (phases, spans, events) in
        [(PhaseDetail::Off, 1, false), (PhaseDetail::Events, 1, true), (PhaseDetail::Spans, 2, false)]
    {
        outbound.apply(&Settings::new().phases(phases));
        read(&client, &uri).await;
        let last = rig.spans().into_iter().rfind(|span| span.name == "GET").unwrap();
        assert_eq!((waits(&rig), !last.events.events.is_empty()), (spans, events), "{phases:?}");
    }
}

#[tokio::test]
async fn observe_off_writes_no_trace_context() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (outbound, uri) = (rig.outbound(), server.uri("/"));
    let client = outbound.client();
    for on in [true, false, true] {
        outbound.apply(&Settings::new().observe(on));
        read(&client, &uri).await;
    }
    let sent = String::from_utf8_lossy(&server.log()[0].raw).matches("traceparent").count();
    assert_eq!((sent, rig.names().iter().filter(|name| *name == "GET").count()), (2, 2));
    assert_eq!(sum(&rig, "outbound.requests"), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn switches_under_load_leave_gauges_at_0() {
    let rig = Rig::new();
    let server = LoadServer::builder().uses(1..=20).start().await.unwrap();
    let outbound = rig.outbound();
    let client = outbound.client();
    let callers = (0..8).map(|_| {
        let (client, uri) = (client.clone(), server.uri("/"));
        tokio::spawn(async move {
            for _ in 0..60 {
                if let Ok(response) = client.get(uri.clone()).await {
                    let _ = response.into_body().collect().await;
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let settings = [
        Settings::new().observe(false),
        Settings::new().metrics(MetricDetail::Off),
        Settings::new().metrics(MetricDetail::Core).phases(PhaseDetail::Off),
        Settings::new(),
    ];
    for settings in settings.iter().cycle() {
        if callers.iter().all(tokio::task::JoinHandle::is_finished) {
            break;
        }
        outbound.apply(settings);
        tokio::task::yield_now().await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    drop(client);
    closed(&outbound).await;
    for metric in
        ["http.client.active_requests", "http.client.open_connections", "outbound.connection.waiting"]
    {
        assert!(rig.values(metric).iter().all(|(_, value)| *value == 0.0), "{:?}", rig.values(metric));
    }
}
