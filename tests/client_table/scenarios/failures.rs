//! Failures, and how they are reported.

use std::io::{Read, Write};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use outbound_tests::gate::Gate;
use outbound_tests::server::closed_port;
use tower_outbound::{Class, Kind, Phase, SendState};

use super::bodies::{data, gated};
use crate::cell::{Cell, get, post, text};
use crate::peer::{body, listen};

/// A call that takes longer has no end.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn connect_refused_is_classified_and_not_sent(cell: &Cell) {
    let uri = cell.uri(closed_port().unwrap());
    let client = cell.client_with(&uri, |outbound| outbound.retry(|retry| retry.max_retries(0))).await;
    let error = client.send(post(&uri, text("upload"))).await.map(drop).unwrap_err();
    let failure = error.failure();
    assert_eq!(failure.kind(), Kind::ConnectionRefused);
    assert_eq!(failure.class(), Some(Class::ConnectionRefused));
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
    // Without a timed TCP phase, the failure is in the wait for a connection.
    let phase = if cell.kind.setup.contains(&Phase::Tcp) { Phase::Tcp } else { Phase::Acquire };
    assert_eq!(failure.phase(), Some(phase));
    let recorder = client.leave().await;
    assert_eq!((recorder.count("connect_failed"), recorder.count("ConnectionOpened")), (1, 0));
}

pub(super) async fn dns_unknown_name_fails_in_dns(cell: &Cell) {
    let scheme = if cell.kind.tls { "https" } else { "http" };
    let uri = format!("{scheme}://unknown.test/").parse().unwrap();
    let client = cell.client_with(&uri, |outbound| outbound.retry(|retry| retry.max_retries(0))).await;
    let error = client.send(get(&uri)).await.map(drop).unwrap_err();
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::NameResolution, Some(Phase::Dns)));
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes(), ["name_resolution_error in dns"]);
}

pub(super) async fn retry_after_request_was_received_is_not_made(cell: &Cell) {
    let peer = cell.peer(|_| std::future::pending());
    let client = cell.client(&peer.uri("/")).await;
    let go = async {
        peer.has_seen(1).await;
        peer.cut().await;
    };
    let (result, ()) = tokio::join!(client.send(get(&peer.uri("/"))), go);
    let error = result.map(drop).unwrap_err();
    let failure = error.failure();
    assert_eq!(failure.class(), Some(Class::ConnectionReset), "{failure:?}");
    let seen = cell.kind.tracked && !cell.is_http2();
    let sent = if seen { SendState::Sent } else { SendState::Unknown };
    assert_eq!((failure.send_state(), failure.phase()), (Some(sent), Some(Phase::Wait)), "{failure:?}");
    assert_eq!(error.connection().is_some(), cell.kind.tracked);
    assert_eq!(peer.seen().len(), 1);
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes().len(), 1);
}

pub(super) async fn body_truncated_fails_in_body(cell: &Cell) {
    let never = Gate::new();
    let peer = cell.peer(move |_| {
        let body = gated("ans", &never, "");
        async { Ok(Response::new(body)) }
    });
    let client = cell.client(&peer.uri("/")).await;
    let mut body = client.send(get(&peer.uri("/"))).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ans");
    peer.cut().await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.failure().phase(), Some(Phase::Body));
    assert_eq!(error.failure().class(), Some(Class::ConnectionReset));
    assert!(error.attempt().unwrap().is_ended());
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes().len(), 1);
}

fn answer(stream: &mut (impl Read + Write)) {
    let _ = stream.read(&mut [0; 4096]).unwrap();
    stream.write_all(b"220 mail.test ESMTP ready\r\n").unwrap();
}

pub(super) async fn response_not_http_is_classified(cell: &Cell) {
    let listener = listen(([127, 0, 0, 1], 0).into());
    let uri = cell.uri(listener.local_addr().unwrap());
    listener.set_nonblocking(false).unwrap();
    // The peer sends one line, inside TLS if the client uses TLS.
    let tls = cell.kind.tls.then(|| {
        let alpn = if cell.is_http2() { "h2" } else { "http/1.1" };
        cell.certs.server_config(&[alpn])
    });
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        match tls {
            None => answer(&mut stream),
            Some(config) => {
                let mut session = rustls::ServerConnection::new(config).unwrap();
                answer(&mut rustls::Stream::new(&mut session, &mut stream));
            }
        }
        // Keeps the connection open until the client closes it.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let client = cell.client_with(&uri, |outbound| outbound.retry(|retry| retry.max_retries(0))).await;
    let error = client.send(get(&uri)).await.map(drop).unwrap_err();
    let failure = error.failure();
    // HTTP/2 may detect the error before a request is sent.
    let before = cell.is_http2() && failure.send_state() == Some(SendState::NotSent);
    let kinds = [Kind::Protocol, Kind::InvalidResponse, Kind::LimitExceeded];
    assert!(kinds.contains(&failure.kind()) || before, "{failure:?}");
    client.leave().await;
    peer.join().unwrap();
}

pub(super) async fn error_status_is_a_response(cell: &Cell) {
    let peer = cell.peer(|_| async {
        let mut response = Response::new(body("no"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Ok(response)
    });
    let client = cell.client(&peer.uri("/")).await;
    let response = client.send(get(&peer.uri("/"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no");
    assert_eq!(peer.seen().len(), 1);
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes(), ["ok"]);
}

pub(super) async fn cancellation_is_not_an_error(cell: &Cell) {
    let gate = Gate::new();
    let held = gate.clone();
    let peer = cell.peer(move |_| {
        let held = held.clone();
        async move {
            held.wait().await;
            Ok(Response::new(body("answer")))
        }
    });
    let client = cell.client(&peer.uri("/")).await;
    tokio::select! {
        _ = client.send(get(&peer.uri("/"))) => panic!("nothing was answered"),
        () = peer.has_seen(1) => {}
    }
    assert_eq!(client.recorder.outcomes(), ["cancelled in wait"]);
    if cell.is_http2() {
        gate.open();
        client.get(&peer.uri("/")).await.unwrap();
        assert_eq!(peer.accepted(), 1, "the stream alone is gone");
    } else {
        peer.has_open(0).await;
    }
    client.leave().await;
}

pub(super) async fn request_body_panic_is_request_body_error(cell: &Cell) {
    for waits in [false, true] {
        let read = Gate::new();
        let gate = read.clone();
        let peer = cell.peer(move |request| {
            gate.open();
            async move {
                request.into_body().collect().await?;
                Ok(Response::new(body("never")))
            }
        });
        let client = cell.client(&peer.uri("/")).await;
        let first = futures_util::stream::iter([data("begun")]);
        let rest = futures_util::stream::once(async move {
            if waits {
                read.wait().await;
            }
            panic!("this test wants a panic of the request body")
        });
        let upload = BodyExt::boxed(StreamBody::new(first.chain(rest)));
        let sent = tokio::time::timeout(LIMIT, client.send(post(&peer.uri("/"), upload))).await;
        let error = sent.expect("an end").map(drop).expect_err("no response");
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.phase()), (Kind::RequestBody, Some(Phase::Send)), "{error:?}");
        let recorder = client.leave().await;
        assert_eq!(recorder.outcomes(), ["request_body_error in send"]);
    }
}
