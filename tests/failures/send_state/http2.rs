//! HTTP/2: only the peer's REFUSED_STREAM or GOAWAY makes a request `not_processed`.

use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::hyper::HyperService;
use tower_outbound::{Kind, Outbound, SendState};

use super::{nowhere, post};
use crate::stack::{error_of, get, stack};
use outbound_tests::faults::frames::{
    CONTINUATION, DATA, END_HEADERS, HEADERS, OK, SETTINGS, frame, goaway, header, rst_stream,
};

/// A peer that sends the frames 1 s after the start, and closes 1 s later if `closes`.
fn peer(frames: Vec<u8>, closes: bool) -> Script {
    let script = Script::new().write(frame(SETTINGS, 0, 0, &[])).sleep(Duration::from_secs(1)).write(frames);
    if closes { script.sleep(Duration::from_secs(1)).close() } else { script.hang() }
}

async fn state(frames: Vec<u8>, closes: bool, upload: bool) -> (Kind, SendState) {
    let (_server, connector) = ScriptedServer::duplex(peer(frames, closes));
    let outbound = Outbound::new();
    let stack = stack(&outbound, outbound.connector(connector), true);
    let request = if upload { post(&nowhere(), 9) } else { get(&nowhere()) };
    let error = error_of(stack, request).await;
    let failure = error.failure();
    assert!(error.connection().is_some(), "{error:?}");
    (failure.kind(), failure.send_state().unwrap())
}

#[tokio::test(start_paused = true)]
async fn send_state_http2_refused_stream_or_goaway_not_processed() {
    let head = || frame(HEADERS, END_HEADERS, 1, OK);
    let begun = [head(), frame(DATA, 0, 1, b"abc")].concat();
    let cases = [
        ("refused", rst_stream(1, 7), false, Kind::StreamRefused, SendState::NotProcessed),
        ("goaway below", goaway(0, 0), false, Kind::GoAway, SendState::NotProcessed),
        ("goaway below, with an error", goaway(0, 2), false, Kind::GoAway, SendState::NotProcessed),
        ("goaway above, then the end", goaway(1, 0), true, Kind::ResponseEnded, SendState::Unknown),
        ("cancelled by the peer", rst_stream(1, 8), false, Kind::StreamReset, SendState::Unknown),
        ("internal error", rst_stream(1, 2), false, Kind::StreamReset, SendState::Unknown),
        ("the end", Vec::new(), true, Kind::ResponseEnded, SendState::Unknown),
        (
            "reset in the body",
            [begun.clone(), rst_stream(1, 2)].concat(),
            false,
            Kind::StreamReset,
            SendState::Unknown,
        ),
        // The peer has responded, so the request was processed. Its refusal violates the protocol.
        (
            "refused in the body",
            [begun, rst_stream(1, 7)].concat(),
            false,
            Kind::StreamRefused,
            SendState::Unknown,
        ),
        ("broken", frame(DATA, 0, 1, b"abc"), false, Kind::Protocol, SendState::Unknown),
    ];
    for (name, frames, closes, kind, expected) in cases {
        for upload in [false, true] {
            let seen = state(frames.clone(), closes, upload).await;
            assert_eq!(seen, (kind, expected), "{name}, upload: {upload}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn send_state_http2_slot_on_ended_connection_is_not_sent() {
    let (_server, connector) = ScriptedServer::duplex(peer(Vec::new(), true));
    let outbound = Outbound::builder().max_in_flight(1).build();
    let io = outbound.connector(connector).oneshot(nowhere()).await.unwrap();
    let connection = io.connection().clone();
    let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection.drive(driver));
    let service = outbound.attempt_layer().layer(HyperService::new(sender));
    // The second one waits for the slot of the first, which ends with the connection.
    let (first, second) =
        tokio::join!(service.clone().oneshot(get(&nowhere())), service.oneshot(post(&nowhere(), 9)));
    let state = |error: &tower_outbound::Error| (error.failure().kind(), error.failure().send_state());
    let unknown = (Kind::ResponseEnded, Some(SendState::Unknown));
    assert_eq!(state(&first.map(drop).unwrap_err()), unknown);
    assert_eq!(state(&second.map(drop).unwrap_err()), (Kind::ResponseEnded, Some(SendState::NotSent)));
}

#[tokio::test(start_paused = true)]
async fn send_state_http2_too_large_head_is_unknown() {
    let value = "y".repeat(100);
    let field: Vec<u8> = (0..9).flat_map(|_| header("x-field", &value)).collect();
    let mut frames = frame(HEADERS, 0, 1, OK);
    for _ in 0..20 {
        frames.extend(frame(CONTINUATION, 0, 1, &field));
    }
    frames.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
    assert_eq!(state(frames, false, false).await, (Kind::LimitExceeded, SendState::Unknown));
}

#[tokio::test(start_paused = true)]
async fn send_state_http2_waiters_on_failed_connect_are_not_sent() {
    let (server, connector) = ScriptedServer::duplex(Script::new().hang());
    server.stop();
    let outbound = Outbound::new();
    let connector = outbound.connector(connector.delay(Duration::from_secs(9)));
    let stack = stack(&outbound, connector, true);
    let all = (0..5).map(|_| error_of(stack.clone(), post(&nowhere(), 9)));
    for error in futures_util::future::join_all(all).await {
        assert_eq!(error.failure().send_state(), Some(SendState::NotSent), "{error:?}");
    }
    assert_eq!(server.accepted(), 0);
}
