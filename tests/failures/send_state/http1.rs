//! HTTP/1: a peer failure at every point, on new and reused connections.

use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::{Error, Failure, Kind, Outbound, Phase, Reuse, SendState};

use super::{ANSWER, assert_consistent, nowhere, post, read_by};
use crate::pipe::all_idle;
use crate::stack::{Body, error_of, get, stack};

/// Length of the upload's body. The head has fewer than 200 bytes.
const BODY: usize = 300;

/// Length of the whole request in bytes.
async fn length() -> u64 {
    let server = ScriptedServer::tcp(Script::new().read_request().close()).await.unwrap();
    let (error, read) = failing(&server, 0).await;
    assert_eq!(error.failure().send_state(), Some(SendState::Sent));
    read
}

/// The error of an upload over TCP after `before` successful uploads, and the bytes that the server read of the upload.
async fn failing(server: &ScriptedServer, before: usize) -> (Error, u64) {
    let outbound = Outbound::new();
    let stack = stack(&outbound, outbound.connector(outbound.http_connector()), false);
    let uri = server.uri("/");
    for _ in 0..before {
        let response = stack.clone().oneshot(post(&uri, BODY)).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let read_before = read_by(server);
    let error = error_of(stack, post(&uri, BODY)).await;
    server.wait_until(|log| log.iter().all(|connection| connection.ended.is_some())).await;
    let read = match server.accepted() {
        1 => read_by(server) - read_before,
        _ => read_by(server),
    };
    (error, read)
}

fn state(failure: &Failure) -> SendState {
    failure.send_state().expect("an attempt has failed")
}

#[tokio::test]
async fn send_state_refused_connect_is_not_sent_no_connection() {
    let uri = format!("http://{}/", closed_port().unwrap()).parse().unwrap();
    let outbound = Outbound::new();
    let stack = stack(&outbound, outbound.connector(outbound.http_connector()), false);
    let error = error_of(stack, post(&uri, BODY)).await;
    assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
    assert_eq!(error.connection(), None);
}

#[tokio::test]
async fn send_state_on_new_connection_fits_bytes_read() {
    let length = length().await;
    for (script, expected) in [
        (Script::new().reset(), SendState::NotSent),
        (Script::new().close(), SendState::NotSent),
        (Script::new().read_request().close(), SendState::Sent),
        (Script::new().read_request().reset(), SendState::Sent),
        (Script::new().read_request().write("HTTP/1.1 20").close(), SendState::Sent),
        (
            Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").reset(),
            SendState::Sent,
        ),
        (Script::new().read_request().write("SSH-2.0-no\r\n").hang(), SendState::Sent),
    ] {
        let name = format!("{script:?}");
        let server = ScriptedServer::tcp(script).await.unwrap();
        let outbound = Outbound::new();
        let stack = stack(&outbound, outbound.connector(outbound.http_connector()), false);
        let error = error_of(stack, post(&server.uri("/"), BODY)).await;
        let failure = error.failure();
        assert_consistent(state(failure), read_by(&server), length);
        assert_eq!(state(failure), expected, "{name}");
        assert!(error.connection().is_some(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn send_state_end_at_accept_is_not_sent_beside_unused() {
    for http2 in [false, true] {
        for script in [Script::new().close(), Script::new().reset()] {
            let name = format!("{script:?}, HTTP/2: {http2}");
            let (server, peer) = ScriptedServer::duplex([Script::new().hang(), script]);
            let outbound = Outbound::new();
            let connector = outbound.connector(peer);
            // Another request's connection, which was not written to yet.
            let unused = connector.clone().oneshot(nowhere()).await.unwrap();
            let error = error_of(stack(&outbound, connector, http2), post(&nowhere(), BODY)).await;
            let failure = error.failure();
            assert_eq!(failure.send_state(), Some(SendState::NotSent), "{name}: {error:?}");
            assert_eq!(failure.phase(), Some(Phase::Acquire), "{name}");
            assert_eq!(server.accepted(), 2);
            drop(unused);
        }
    }
}

/// Four callers on two threads, each request on a connection that its peer ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_state_end_at_accept_is_never_unknown() {
    for script in [Script::new().close(), Script::new().reset()] {
        let server = ScriptedServer::tcp(script).await.unwrap();
        let outbound = Outbound::new();
        let stack = stack(&outbound, outbound.connector(outbound.http_connector()), false);
        let caller = async || {
            for _ in 0..50 {
                let error = error_of(stack.clone(), post(&server.uri("/"), BODY)).await;
                assert_ne!(error.failure().send_state(), Some(SendState::Unknown), "{error:?}");
            }
        };
        tokio::join!(caller(), caller(), caller(), caller());
    }
}

#[tokio::test]
async fn send_state_reset_after_any_byte_fits_bytes_read() {
    let length = length().await;
    for read in 0..=usize::try_from(length).unwrap() {
        for before in [0, 1] {
            let mut script = Script::new();
            if before == 1 {
                script = script.read_request().write(ANSWER);
            }
            // A client that detects the reset early opens another connection.
            let fault = |script: Script| script.read_exact(read).reset();
            let server = ScriptedServer::tcp([fault(script), fault(Script::new())]).await.unwrap();
            let (error, seen) = failing(&server, before).await;
            // The server may read more than the script requires.
            assert!(server.accepted() > 1 || seen >= read as u64, "{seen} of {read}");
            assert_consistent(state(error.failure()), seen, length);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn send_state_stalled_upload_is_partial_by_bytes_written() {
    // The pipe buffers 64 KiB.
    for (read, written) in [(0, 65_536), (1, 65_536), (1_000, 65_536)] {
        for before in [0, 1] {
            let mut script = Script::new();
            if before == 1 {
                script = script.read_request().write(ANSWER);
            }
            let gate = Gate::new();
            let script = script.wait(&gate).read_exact(read).reset();
            let (server, peer) = ScriptedServer::duplex(script);
            let outbound = Outbound::new();
            let stack = stack(&outbound, outbound.connector(peer), false);
            for _ in 0..before {
                let response = stack.clone().oneshot(get(&nowhere())).await.unwrap();
                response.into_body().collect().await.unwrap();
            }
            let later = async {
                all_idle().await;
                gate.open();
            };
            let (error, ()) = tokio::join!(error_of(stack, post(&nowhere(), 1_000_000)), later);
            let Some(SendState::Partial(sent)) = error.failure().send_state() else { panic!("{error:?}") };
            assert!(sent >= written && sent < 1_000_000, "{sent} after {read} and {before}");
            assert_eq!(server.accepted(), 1);
            let attempt = error.attempt().unwrap();
            assert_eq!(attempt.reuse(), if before == 1 { Reuse::Reused } else { Reuse::New });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn send_state_peer_close_at_reuse_is_not_sent() {
    let stale = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    for (response, kind) in [("", Kind::ResponseEnded), (stale, Kind::Protocol)] {
        let gate = Gate::new();
        let script = Script::new().read_request().write(ANSWER).wait(&gate).write(response).close();
        let (server, peer) = ScriptedServer::duplex(script);
        let outbound = Outbound::new();
        let stack = stack(&outbound, outbound.connector(peer), false);
        let response = stack.clone().oneshot(get(&nowhere())).await.unwrap();
        response.into_body().collect().await.unwrap();
        let read = read_by(&server);
        // The server's task runs before the connection's task, which then finds the request and the end at once.
        gate.open();
        let error = error_of(stack, post(&nowhere(), BODY)).await;
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.send_state()), (kind, Some(SendState::NotSent)), "{error:?}");
        assert_eq!((server.accepted(), read_by(&server)), (1, read));
        assert_eq!(error.attempt().unwrap().reuse(), Reuse::Reused);
        assert!(error.connection().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn status_408_after_first_request_byte_is_the_answer() {
    let stale = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let script = Script::new().read_request().write(ANSWER).read_exact(1).write(stale).close();
    let (server, peer) = ScriptedServer::duplex(script);
    let outbound = Outbound::new();
    let stack = stack(&outbound, outbound.connector(peer), false);
    for status in [204, 408] {
        let response = stack.clone().oneshot(get(&nowhere())).await.unwrap();
        assert_eq!(response.status(), status);
        response.into_body().collect().await.unwrap();
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn send_state_inside_tls_counts_http_bytes() {
    let certs = Certs::new("localhost");
    let length = length().await;
    for (script, expected) in [
        (Script::new().tls(certs.server_config(&[])).read_request().close(), SendState::Sent),
        (Script::new().tls(certs.server_config(&[])).read_request().reset(), SendState::Sent),
        (Script::new().tls(certs.server_config(&[])).read_exact(1).reset(), SendState::Sent),
        (Script::new().tls(certs.server_config(&[])).reset(), SendState::Partial(0)),
        (Script::new().reset(), SendState::NotSent),
        (Script::new().write("no TLS\r\n").hang(), SendState::NotSent),
    ] {
        let name = format!("{script:?}");
        let server = ScriptedServer::tcp(script).await.unwrap();
        let outbound = Outbound::new();
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(certs.client_config(&[]))
            .https_only()
            .enable_http1()
            .wrap_connector(outbound.http_connector());
        let stack = stack(&outbound, outbound.connector(https), false);
        let error = error_of(stack, post(&server.uri_with("https", "localhost", "/"), BODY)).await;
        let failure = error.failure();
        if server.log()[0].alpn.is_some() || error.connection().is_some() {
            // `localhost` has as many bytes as `127.0.0.1`.
            assert_consistent(state(failure), read_by(&server), length);
        }
        assert_eq!(state(failure), expected, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn send_state_of_nested_attempt_is_not_inherited() {
    let uri = format!("http://{}/", closed_port().unwrap()).parse().unwrap();
    let outbound = Outbound::new();
    let client = stack(&outbound, outbound.connector(outbound.http_connector()), false);
    // The inner service makes an attempt of its own and returns its error.
    let service = service_fn(move |_: http::Request<ObserveRequestBody<Body>>| {
        let client = client.clone();
        let other = get(&uri);
        async move { client.oneshot(other).await }
    });
    let error =
        outbound.attempt_layer().layer(service).oneshot(post(&nowhere(), BODY)).await.map(drop).unwrap_err();
    assert_eq!(
        (error.failure().kind(), error.failure().phase()),
        (Kind::ConnectionRefused, Some(Phase::Tcp))
    );
    assert_eq!(error.failure().send_state(), Some(SendState::Unknown));
}

#[test]
fn send_state_absent_for_error_without_request() {
    let failure = Failure::of(&std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    assert_eq!(failure.send_state(), None);
}

#[test]
fn send_state_names_match_contract() {
    let states = [
        SendState::NotSent,
        SendState::Partial(7),
        SendState::Sent,
        SendState::NotProcessed,
        SendState::Unknown,
    ];
    let names = ["not_sent", "partial", "sent", "not_processed", "unknown"];
    assert_eq!(states.map(SendState::as_str), names);
    assert_eq!(states.map(|state| state.to_string()), names);
}
