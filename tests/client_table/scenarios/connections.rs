//! The connection of each request, and the reason of its end.

use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Response};
use tokio::sync::Barrier;
use tower_outbound::Reuse;
use tower_outbound::connect::Setup;

use crate::cell::Cell;
use crate::peer::body;

pub(super) async fn connection_new_is_reported_with_setup(cell: &Cell) {
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let client = cell.client(&peer.uri("/")).await;
    let (timings, answer) = client.get(&peer.uri("/")).await.unwrap();
    assert_eq!(answer, "answer");
    assert_eq!(timings.reuse(), Reuse::New);
    assert_eq!(timings.setup_paid(), cell.kind.pays);
    let connection = timings.connection().expect("the connection is known");
    assert_eq!(connection.protocol(), Some(cell.kind.protocol));
    assert_eq!(connection.peer_addr(), Some(peer.address()));
    let setup: Setup = timings.setup().expect("the connection is known");
    let phases: Vec<_> = setup.phases().iter().map(|phase| phase.phase).collect();
    assert_eq!(phases, cell.kind.setup);

    let marks = timings.cumulative();
    let marks = [marks.acquire, marks.send_start, marks.first_byte, marks.head, marks.body_end];
    assert!(marks.iter().all(Option::is_some) && marks.is_sorted(), "{marks:?}");
    let recorder = client.leave().await;
    assert_eq!((recorder.count("ConnectEnded"), recorder.outcomes()), (1, vec!["ok".to_owned()]));
}

pub(super) async fn connection_reuse_is_reported(cell: &Cell) {
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let client = cell.client(&peer.uri("/")).await;
    let (first, _) = client.get(&peer.uri("/")).await.unwrap();
    let (second, _) = client.get(&peer.uri("/")).await.unwrap();
    assert_eq!((first.reuse(), second.reuse()), (Reuse::New, Reuse::Reused));
    assert_eq!(first.connection().unwrap().id(), second.connection().unwrap().id());
    let numbers = [&first, &second].map(|timings| timings.usage().unwrap().number());
    assert_eq!(numbers, [1, 2]);
    assert!(!second.setup_paid());
    // Streams share a connection: at the head, the time of its last idle period is unknown.
    let knows = cell.kind.tracked && !cell.is_http2();
    assert!(second.usage().unwrap().idle_time().is_some() || !knows);
    assert_eq!(peer.accepted(), 1);
    client.leave().await;
}

pub(super) async fn requests_at_once_share_http_2_or_have_a_connection_each(cell: &Cell) {
    // The peer responds when all requests have arrived.
    let all_there = Arc::new(Barrier::new(3));
    let peer = cell.peer(move |_| {
        let all_there = Arc::clone(&all_there);
        async move {
            all_there.wait().await;
            Ok(Response::new(body("answer")))
        }
    });
    let client = cell.client(&peer.uri("/")).await;
    let uri = peer.uri("/");
    let results = futures_util::future::join_all((0..3).map(|_| client.get(&uri))).await;
    let mut ids: Vec<_> =
        results.into_iter().map(|result| result.unwrap().0.connection().unwrap().id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), if cell.is_http2() { 1 } else { 3 });
    let recorder = client.leave().await;
    // Each request starts a connect until ALPN has selected HTTP/2. Unneeded connects are reported as wasted.
    assert_eq!(recorder.count("ConnectWasted"), (peer.accepted() - ids.len()) as i64);
    assert!(peer.accepted() == ids.len() || cell.kind.tls);
}

pub(super) async fn connection_closed_while_idle_is_replaced(cell: &Cell) {
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let client = cell.client(&peer.uri("/")).await;
    let (first, _) = client.get(&peer.uri("/")).await.unwrap();
    peer.cut().await;
    let (second, _) = client.get(&peer.uri("/")).await.unwrap();
    assert_ne!(first.connection().unwrap().id(), second.connection().unwrap().id());
    assert_eq!(second.reuse(), Reuse::New);
    assert_eq!((peer.accepted(), peer.seen().len()), (2, 2), "and nothing was sent twice");
    let recorder = client.leave().await;
    assert_eq!(recorder.close_reasons().len(), if cell.kind.tracked { 2 } else { 0 });
}

pub(super) async fn close_reason_is_close_announced_by_peer(cell: &Cell) {
    let http2 = cell.is_http2();
    let peer = cell.peer(move |_| async move {
        let mut response = Response::new(body("answer"));
        if !http2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    });
    let client = cell.client(&peer.uri("/")).await;
    client.get(&peer.uri("/")).await.unwrap();
    peer.shut_down_connections();
    client.recorder.wait_until(|recorder| !recorder.close_reasons().is_empty()).await;
    let reason = if http2 { "goaway" } else { "connection_close" };
    let recorder = client.leave().await;
    assert_eq!(recorder.close_reasons(), [reason]);
}

pub(super) async fn client_drop_closes_connections(cell: &Cell) {
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let client = cell.client(&peer.uri("/")).await;
    client.get(&peer.uri("/")).await.unwrap();
    assert_eq!(client.outbound.connections().len(), 1);
    assert_eq!(client.recorder.gauges(), (0, 1));
    let outbound = client.outbound.clone();
    let recorder = client.leave().await;
    assert_eq!(recorder.close_reasons(), ["dropped"]);
    assert!(outbound.connections().is_empty());
    peer.has_open(0).await;
}
