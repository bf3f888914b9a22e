//! What a change does to what is there.

use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::pool::Pool;
use tower_outbound::settings::Settings;
use tower_outbound::{Failure, Kind, Outbound};

use super::*;
use crate::support::recorded;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a request on a clone of the service, and reads the whole response.
macro_rules! read {
    ($service:expr, $uri:expr) => {{
        let sent = $service.clone().oneshot(request($uri));
        tokio::spawn(async move {
            let response = sent.await.map_err(tower_outbound::BoxError::from)?;
            let body = response.into_body().collect().await.map_err(tower_outbound::BoxError::from)?;
            Ok::<_, tower_outbound::BoxError>(body.to_bytes())
        })
    }};
}

fn held(gate: &Gate) -> Script {
    Script::new().read_request().wait(gate).write(OK).repeat()
}

async fn asked(server: &ScriptedServer, requests: usize) {
    server
        .wait_until(|log| log.iter().map(|connection| connection.requests).sum::<usize>() == requests)
        .await;
}

#[tokio::test]
async fn apply_larger_limit_lets_waiting_requests_connect() {
    let gate = Gate::new();
    let server = ScriptedServer::tcp(held(&gate)).await.unwrap();
    let outbound = Outbound::builder().settings(Settings::new().max_connections_per_origin(1)).build();
    let client = outbound.client();
    let calls: Vec<_> = (0..4).map(|_| read!(client, server.uri("/"))).collect();
    asked(&server, 1).await;
    outbound.apply(&Settings::new().max_connections_per_origin(3));
    asked(&server, 3).await;
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn apply_before_first_connection_limits_first_burst() {
    let gate = Gate::new();
    let server = ScriptedServer::tcp(held(&gate)).await.unwrap();
    let outbound = Outbound::new();
    let client = outbound.client();
    outbound.apply(&Settings::new().max_connections_per_origin(2));
    let calls: Vec<_> = (0..4).map(|_| read!(client, server.uri("/"))).collect();
    asked(&server, 2).await;
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn apply_smaller_limit_drains_busy_connections() {
    let gate = Gate::new();
    let server = ScriptedServer::tcp(held(&gate)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    let calls: Vec<_> = (0..4).map(|_| read!(client, server.uri("/"))).collect();
    asked(&server, 4).await;
    outbound.apply(&Settings::new().max_connections_per_origin(1));
    assert_eq!(outbound.connections().len(), 4, "none is cut");
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    assert_eq!(recorder.close_reasons(), ["surplus"; 3]);
}

#[tokio::test]
async fn apply_smaller_idle_limit_closes_idle_connections() {
    let gate = Gate::new();
    let server = ScriptedServer::tcp(held(&gate)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    let calls: Vec<_> = (0..4).map(|_| read!(client, server.uri("/"))).collect();
    asked(&server, 4).await;
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    recorder.wait_until(|recorder| recorder.gauges() == (0, 4)).await;
    outbound.apply(&Settings::new().max_idle_per_origin(1));
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    assert_eq!(recorder.close_reasons(), ["surplus"; 3]);
}

#[tokio::test(start_paused = true)]
async fn apply_idle_timeout_and_age_reach_open_connections() {
    let ages = [
        (Settings::new().idle_timeout(ms(100)), "idle_timeout", ms(55)),
        // Ages are looked at once a second.
        (Settings::new().idle_timeout(Duration::ZERO).max_age(ms(100)), "max_age", ms(1001)),
    ];
    for (settings, reason, within) in ages {
        let (server, peer) = ScriptedServer::duplex(Script::answering(OK));
        let (outbound, recorder) = recorded();
        let pool = outbound.layer().layer(Pool::builder().build(outbound.connector(peer)));
        read!(pool, server.uri("/")).await.unwrap().unwrap();
        tokio::time::sleep(ms(50)).await;
        assert_eq!(recorder.gauges(), (0, 1));
        outbound.apply(&settings);
        tokio::time::sleep(within).await;
        assert_eq!(recorder.close_reasons(), [reason]);
    }
}

#[tokio::test]
async fn apply_larger_in_flight_limit_grants_slots_at_once() {
    let gate = Gate::new();
    let server = ScriptedServer::tcp(held(&gate)).await.unwrap();
    let outbound = Outbound::builder().settings(Settings::new().max_in_flight_per_origin(1)).build();
    let client = outbound.client();
    let calls: Vec<_> = (0..4).map(|_| read!(client, server.uri("/"))).collect();
    asked(&server, 1).await;
    outbound.apply(&Settings::new().max_in_flight_per_origin(3));
    asked(&server, 3).await;
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn apply_timeouts_hold_from_next_request() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let outbound = Outbound::new();
    let pool = outbound.layer().layer(Pool::builder().build(outbound.connector(peer)));
    let before = read!(pool, server.uri("/"));
    asked(&server, 1).await;
    outbound.apply(&Settings::new().first_byte_timeout(ms(100)));
    let begun = tokio::time::Instant::now();
    let error = read!(pool, server.uri("/")).await.unwrap().unwrap_err();
    assert_eq!((Failure::of(&*error).kind(), begun.elapsed()), (Kind::ResponseTimeout, ms(100)));
    assert!(!before.is_finished(), "it keeps its 60 s");
    before.abort();
}

#[tokio::test(start_paused = true)]
async fn apply_connect_timeout_reaches_connectors_that_exist() {
    let outbound = Outbound::new();
    let resolver = tower::service_fn(|_| {
        std::future::pending::<std::io::Result<std::vec::IntoIter<std::net::SocketAddr>>>()
    });
    let tcp = outbound.http_connector().resolver(resolver);
    for timeout in [ms(100), Duration::from_secs(20)] {
        outbound.apply(&Settings::new().connect_timeout(timeout));
        let begun = tokio::time::Instant::now();
        tcp.clone().oneshot("http://a.test/".parse().unwrap()).await.unwrap_err();
        assert_eq!(begun.elapsed(), timeout);
    }
}

#[tokio::test]
async fn apply_leaves_what_the_code_has_set() {
    let gate = Gate::new();
    let server = ScriptedServer::tcp(held(&gate)).await.unwrap();
    let file = File::new(
        "[pool]\nmax_connections_per_origin = 4\n[retry]\nmax_retries = 7\n[connect]\ntimeout = \"7s\"\n",
    );
    let outbound =
        Outbound::builder().settings(file.sources().load()).retry(|retry| retry.max_retries(2)).build();
    let shown = |key: &str| outbound.settings().get(key).unwrap().to_string();
    assert_eq!(shown("retry.max_retries"), "retry.max_retries = 2 (code)", "although it is the default");
    let client = outbound.client_builder().pool(|pool| pool.max_connections_per_origin(2)).build();
    outbound.reload(&file.sources()).unwrap();
    assert_eq!(shown("retry.max_retries"), "retry.max_retries = 2 (code)");
    assert!(shown("connect.timeout").starts_with("connect.timeout = 7s"));
    let calls: Vec<_> = (0..4).map(|_| read!(client, server.uri("/"))).collect();
    asked(&server, 2).await;
    outbound.reload(&file.sources()).unwrap();
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.accepted(), 2);
    outbound.apply(&Settings::new().max_retries(5));
    assert_eq!(shown("retry.max_retries"), "retry.max_retries = 5 (code)", "newer code");
}
