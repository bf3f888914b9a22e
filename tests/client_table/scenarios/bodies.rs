//! Bodies and trailers, and the end of an attempt.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use outbound_tests::gate::Gate;
use tower_outbound::Phase;

use crate::cell::{Cell, get, post, text, timings};
use crate::peer::{Given, body};

pub(super) fn data<E>(text: &'static str) -> Result<Frame<Bytes>, E> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// A body with one frame at once and another after the gate opens.
pub(super) fn gated(at_once: &'static str, gate: &Gate, later: &'static str) -> Given {
    let gate = gate.clone();
    let later = futures_util::stream::once(async move {
        gate.wait().await;
        data(later)
    });
    StreamBody::new(futures_util::stream::iter([data(at_once)]).chain(later)).boxed_unsync()
}

pub(super) async fn bytes_counted_in_both_directions(cell: &Cell) {
    let peer = cell.peer(|request| async move {
        let upload = request.into_body().collect().await?.to_bytes();
        Ok(Response::new(body([&upload[..], &upload[..]].concat())))
    });
    let client = cell.client(&peer.uri("/")).await;
    let upload: Bytes = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    let (timings, answer) = client.read(post(&peer.uri("/"), text(upload.clone()))).await.unwrap();
    assert!(answer == [&upload[..], &upload[..]].concat(), "as it was sent");
    let attempt = timings.attempt();
    assert_eq!((attempt.request_body_bytes(), attempt.response_body_bytes()), (100_000, 200_000));
    client.leave().await;
}

pub(super) async fn empty_upload_has_content_length_0(cell: &Cell) {
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let client = cell.client(&peer.uri("/")).await;
    let requests = [
        (Method::POST, None, Some("0")),
        (Method::PUT, None, Some("0")),
        (Method::PATCH, None, Some("0")),
        (Method::GET, None, None),
        (Method::DELETE, None, None),
        (Method::POST, Some((CONTENT_LENGTH, "0")), Some("0")),
    ];
    for (method, header, length) in requests {
        let mut request = get(&peer.uri("/"));
        *request.method_mut() = method.clone();
        request.headers_mut().extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
        client.read(request).await.unwrap();
        let seen = peer.seen().pop().unwrap().headers;
        let lengths: Vec<_> = seen.get_all(CONTENT_LENGTH).iter().collect();
        assert_eq!(lengths, Vec::from_iter(length), "{method}");
        assert!(!seen.contains_key(TRANSFER_ENCODING), "{method}");
    }
    client.leave().await;
}

pub(super) async fn trailers_are_forwarded(cell: &Cell) {
    let peer = cell.peer(|_| async {
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", HeaderValue::from_static("17"));
        let frames = [data("answer"), Ok(Frame::trailers(trailers))];
        let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync());
        response.headers_mut().insert(TRAILER, HeaderValue::from_static("checksum"));
        Ok(response)
    });
    let client = cell.client(&peer.uri("/")).await;
    let mut request = get(&peer.uri("/"));
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    let response = client.send(request).await.unwrap();
    let timings = timings(&response);
    let whole = response.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().expect("they came")["checksum"], "17");
    assert_eq!(whole.to_bytes(), "answer");
    assert!(timings.is_complete());
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes(), ["ok"]);
}

pub(super) async fn attempt_ends_with_body(cell: &Cell) {
    let gate = Gate::new();
    let held = gate.clone();
    let peer = cell.peer(move |_| {
        let body = gated("ans", &held, "wer");
        async { Ok(Response::new(body)) }
    });
    let client = cell.client(&peer.uri("/")).await;
    let response = client.send(get(&peer.uri("/"))).await.unwrap();
    let timings = timings(&response);
    assert!(!timings.is_complete() && client.recorder.outcomes().is_empty());
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ans");
    assert!(!timings.is_complete());
    gate.open();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "wer");
    assert!(timings.is_complete() && timings.phase(Phase::Body).is_some());
    client.leave().await;
}

pub(super) async fn attempt_without_body_ends_with_head(cell: &Cell) {
    let peer = cell.peer(|_| async {
        let mut response = Response::new(body(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    });
    let client = cell.client(&peer.uri("/")).await;
    let response = client.send(get(&peer.uri("/"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(timings(&response).is_complete());
    assert_eq!(client.recorder.outcomes(), ["ok"], "though its body was not polled");
    drop(response);
    client.leave().await;
}

pub(super) async fn body_dropped_is_cancelled_in_body(cell: &Cell) {
    let gate = Gate::new();
    let held = gate.clone();
    let peer = cell.peer(move |_| {
        let body = gated("ans", &held, "wer");
        async { Ok(Response::new(body)) }
    });
    let client = cell.client(&peer.uri("/")).await;
    let mut body = client.send(get(&peer.uri("/"))).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ans");
    drop(body);
    assert_eq!(client.recorder.outcomes(), ["cancelled in body"]);
    if cell.is_http2() {
        // Only the stream is closed.
        gate.open();
        client.get(&peer.uri("/")).await.unwrap();
        assert_eq!(peer.accepted(), 1);
    } else {
        peer.has_open(0).await;
    }
    client.leave().await;
}

pub(super) async fn early_response_has_no_wait_phase(cell: &Cell) {
    let peer = cell.peer(|_| async { Ok(Response::new(body("no"))) });
    let client = cell.client(&peer.uri("/")).await;
    let rest = futures_util::stream::pending();
    let begun = futures_util::stream::iter([data("begun")]).chain(rest);
    let upload = http_body_util::BodyExt::boxed(StreamBody::new(begun));
    let response = client.send(post(&peer.uri("/"), upload)).await.unwrap();
    let timings = timings(&response);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no");
    assert_eq!(timings.phase(Phase::Wait), None, "{timings}");
    assert!(timings.is_complete());
    client.leave().await;
}
