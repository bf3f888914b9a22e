//! The observer's telemetry, exported to rotel, an independent backend.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Empty, Full};
use outbound_tests::peers::Rotel;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::H2Server;
use tower_outbound::Outbound;
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};

const REQUESTS: usize = 5;
const RECEIVED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn over_grpc() {
    let rotel = Rotel::start().await.unwrap();
    exports_every_span_and_metric(&rotel, OtlpProtocol::Grpc, rotel.grpc_endpoint()).await;
}

pub(crate) async fn over_http() {
    let rotel = Rotel::start().await.unwrap();
    exports_every_span_and_metric(&rotel, OtlpProtocol::HttpProtobuf, rotel.http_endpoint()).await;
}

async fn exports_every_span_and_metric(rotel: &Rotel, protocol: OtlpProtocol, endpoint: String) {
    let telemetry = Telemetry::builder("checks").lookup(|_| None).without_globals();
    let telemetry = telemetry.protocol(protocol).endpoint(endpoint).build().unwrap();
    // HTTP/2 with prior knowledge: one connect, which never loses a race against the pool.
    let answer = |_| async { Response::new(Full::new(Bytes::from("hello"))) };
    let server = H2Server::builder().start(answer).await.unwrap();
    let recorder = Recorder::new();
    let outbound =
        Outbound::builder().observer(telemetry.observer().build()).observer(recorder.clone()).build();
    let client = outbound.client_builder().http2_only(true).build();
    for _ in 0..REQUESTS {
        let request = secret::request(&server.uri("/"), Empty::<Bytes>::new());
        client.request(request).await.unwrap().into_body().collect().await.unwrap();
    }
    drop(client);
    recorder.settled().await;
    let report = telemetry.shutdown().await;
    assert!(report.is_complete(), "{report}");

    let host = server.address();
    // One span for each attempt and each phase. None for the head: on HTTP/2 its first byte is its end. Only the
    // first attempt connects; an IP address needs no lookup.
    let expected = BTreeMap::from([
        ("GET".to_owned(), REQUESTS),
        (format!("HTTP connection_setup {host}"), 1),
        (format!("HTTP wait_for_connection {host}"), 1),
        ("outbound.body".to_owned(), REQUESTS),
        ("outbound.send".to_owned(), REQUESTS),
        ("outbound.wait".to_owned(), REQUESTS),
        (format!("socket connect {host}"), 1),
    ]);
    let total = expected.values().sum::<usize>();
    assert_eq!(total, 4 * REQUESTS + 3);
    assert!(
        rotel.wait_for(|rotel| rotel.spans() >= total, RECEIVED_WITHIN).await,
        "{} spans of {total}: {:?}",
        rotel.spans(),
        rotel.span_names()
    );
    let mut names = BTreeMap::new();
    for name in rotel.span_names() {
        *names.entry(name).or_insert(0) += 1;
    }
    assert_eq!(names, expected);

    // No metrics of a lookup: the host is an address. The pipeline's own metrics are ignored.
    let expected = [
        "http.client.active_requests",
        "http.client.connection.duration",
        "http.client.open_connections",
        "http.client.request.duration",
        "outbound.body.duration",
        "outbound.call.attempts",
        "outbound.connect.duration",
        "outbound.connect.failed",
        "outbound.connect.wasted",
        "outbound.connection.closed",
        "outbound.connection.io",
        "outbound.connection.opened",
        "outbound.connection.requests",
        "outbound.connection.waiting",
        "outbound.phase.duration",
        "outbound.requests",
        "outbound.retries",
        "outbound.ttfb.duration",
    ];
    let all = |rotel: &Rotel| expected.iter().all(|name| rotel.metric_names().contains(*name));
    assert!(rotel.wait_for(all, RECEIVED_WITHIN).await, "{:?}", rotel.metric_names());
    let ours: Vec<_> =
        rotel.metric_names().into_iter().filter(|name| !name.starts_with("otel.sdk.")).collect();
    assert_eq!(ours, expected);
    let log = rotel.log();
    assert!(log.contains("REDACTED") && !secret::is_in(&log), "a secret was exported");
}
