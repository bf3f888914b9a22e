//! HTTP/2: many attempts share one connection, and the IO does not show which attempt its bytes belong to.

use std::collections::BTreeSet;

use http::Response;
use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::secret;
use outbound_tests::server::H2Server;
use tower_outbound::connect::{ConnectionState, Protocol};
use tower_outbound::{Phase, Reuse, Timings};

use crate::support::{Body, recorded};

async fn gated(gate: &Gate) -> H2Server {
    let gate = gate.clone();
    let handler = move |_| {
        let gate = gate.clone();
        async move {
            gate.wait().await;
            Response::new(Body::from("ok"))
        }
    };
    H2Server::builder().start(handler).await.unwrap()
}

#[tokio::test]
async fn http2_connection_is_active_while_request_waits_for_head() {
    let gate = Gate::new();
    let server = gated(&gate).await;
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().http2_only(true).build();

    let request = client.request(secret::request(&server.uri("/"), Body::default()));
    let attempt = tokio::spawn(async { request.await.unwrap().into_body().collect().await.unwrap() });
    recorder.wait_until(|recorder| recorder.gauges() == (1, 0)).await;
    assert_eq!(outbound.connections()[0].in_flight(), 1);
    assert_eq!(outbound.connections()[0].state(), ConnectionState::Active);
    gate.open();
    attempt.await.unwrap();
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn http2_cancel_before_head_is_cancelled_in_wait() {
    let gate = Gate::new();
    let server = gated(&gate).await;
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().http2_only(true).build();

    let request = client.request(secret::request(&server.uri("/"), Body::default()));
    let attempt = tokio::spawn(request);
    recorder.wait_until(|recorder| recorder.gauges() == (1, 0)).await;
    attempt.abort();
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    assert_eq!(recorder.outcomes(), ["cancelled in wait"]);
    assert_eq!(recorder.count("ConnectionClosed"), 0, "a stream reset closed the connection");
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn http2_concurrent_requests_share_connection_as_8_uses() {
    let gate = Gate::new();
    let server = gated(&gate).await;
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().http2_only(true).build();

    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let request = client.request(secret::request(&server.uri("/"), Body::from("upload")));
            tokio::spawn(async {
                let response = request.await.unwrap();
                let timings = response.extensions().get::<Timings>().unwrap().clone();
                response.into_body().collect().await.unwrap();
                timings
            })
        })
        .collect();
    recorder.wait_until(|_| outbound.connections().first().is_some_and(|one| one.in_flight() == 8)).await;
    gate.open();
    let mut timings = Vec::new();
    for attempt in attempts {
        timings.push(attempt.await.unwrap());
    }

    let connection = timings[0].connection().unwrap();
    assert_eq!((server.accepted(), connection.uses()), (1, 8));
    assert_eq!(connection.protocol(), Some(Protocol::Http2));
    let uses: BTreeSet<_> = timings.iter().map(|timings| timings.usage().unwrap().number()).collect();
    assert_eq!(uses, (1..=8).collect());
    assert_eq!(timings.iter().filter(|timings| timings.reuse() == Reuse::New).count(), 1);
    assert_eq!(timings.iter().filter(|timings| timings.setup_paid()).count(), 1);
    for timings in &timings {
        assert!(timings.first_byte_is_upper_bound());
        assert!(timings.phase(Phase::Wait).is_some() && timings.phase(Phase::Acquire).is_some());
        let marks = timings.cumulative();
        assert!(marks.send_start <= marks.first_byte && marks.first_byte <= marks.head);
    }
    drop(client);
    recorder.settled().await;
}
