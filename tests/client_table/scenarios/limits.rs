//! Timeouts, and requests in flight.

use std::time::Duration;

use http::Response;
use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Kind, Phase, SendState};

use super::bodies::gated;
use crate::cell::{Cell, get};

/// Short, because the test waits for the timeout.
const SOON: Duration = Duration::from_millis(20);

pub(super) async fn first_byte_timeout_is_response_timeout(cell: &Cell) {
    let peer = cell.peer(|_| std::future::pending());
    let limits = Timeouts::new().first_byte(SOON);
    let client = cell.client_with(&peer.uri("/"), |outbound| outbound.timeouts(limits)).await;
    let error = client.send(get(&peer.uri("/"))).await.map(drop).unwrap_err();
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseTimeout, Some(Phase::Wait)));
    assert_eq!(client.recorder.outcomes(), ["response_timeout in wait"], "and it was not sent again");
    if !cell.is_http2() {
        peer.has_open(0).await;
    }
    client.leave().await;
}

pub(super) async fn body_idle_timeout_is_body_timeout(cell: &Cell) {
    let never = Gate::new();
    let peer = cell.peer(move |_| {
        let body = gated("ans", &never, "");
        async { Ok(Response::new(body)) }
    });
    let limits = Timeouts::new().body_idle(SOON);
    let client = cell.client_with(&peer.uri("/"), |outbound| outbound.timeouts(limits)).await;
    let response = client.send(get(&peer.uri("/"))).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!((error.failure().kind(), error.failure().phase()), (Kind::BodyTimeout, Some(Phase::Body)));
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes(), ["body_timeout in body"]);
}

pub(super) async fn limit_slot_is_held_until_body_ends(cell: &Cell) {
    let gate = Gate::new();
    let held = gate.clone();
    let peer = cell.peer(move |_| {
        let body = gated("ans", &held, "wer");
        async { Ok(Response::new(body)) }
    });
    let client = cell.client_with(&peer.uri("/"), |outbound| outbound.max_in_flight_per_origin(1)).await;
    let first = client.send(get(&peer.uri("/"))).await.unwrap();
    let uri = peer.uri("/");
    let mut second = Box::pin(client.get(&uri));
    tokio::select! {
        _ = &mut second => panic!("the slot is taken"),
        () = client.recorder.wait_until(|recorder| recorder.slots().waiting == 1) => {}
    }
    assert_eq!(peer.seen().len(), 1);
    gate.open();
    first.into_body().collect().await.unwrap();
    let (timings, _) = second.as_mut().await.unwrap();
    drop(second);
    assert!(timings.phase(Phase::Queue).is_some(), "{timings}");
    assert_eq!(client.recorder.slots().most, 1);
    client.leave().await;
}

pub(super) async fn limit_acquire_timeout_is_pool_timeout_not_sent(cell: &Cell) {
    let never = Gate::new();
    let peer = cell.peer(move |_| {
        let body = gated("ans", &never, "");
        async { Ok(Response::new(body)) }
    });
    let limits = |outbound: tower_outbound::outbound::OutboundBuilder| {
        outbound.max_in_flight_per_origin(1).acquire_timeout(SOON)
    };
    let client = cell.client_with(&peer.uri("/"), limits).await;
    let first = client.send(get(&peer.uri("/"))).await.unwrap();
    let error = client.send(get(&peer.uri("/"))).await.map(drop).unwrap_err();
    assert_eq!((error.failure().kind(), error.failure().phase()), (Kind::PoolTimeout, Some(Phase::Queue)));
    assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
    assert_eq!((peer.seen().len(), peer.accepted()), (1, 1));
    drop(first);
    client.leave().await;
}
