//! Close reasons of connections: they show the cause of a low reuse rate.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower::{Service, ServiceExt as _};
use tower_outbound::connect::ConnectionState;
use tower_outbound::{Outbound, Reuse, Timings};

use crate::support::{Body, recorded, stack, tcp};

const REQUESTS: usize = 5;

/// Sends requests one after another. Reads the bodies if `read`; otherwise drops them.
async fn send<S, B>(client: &S, uri: &http::Uri, requests: usize, read: bool)
where
    S: Service<Request<Body>, Response = Response<B>, Error = tower_outbound::Error> + Clone,
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    for _ in 0..requests {
        let response = client.clone().oneshot(secret::request(uri, Body::default())).await.unwrap();
        if read {
            response.into_body().collect().await.unwrap();
        }
    }
}

async fn on_tcp(script: Script, read: bool) -> Recorder {
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = tcp(&outbound);
    send(&client, &server.uri("/"), REQUESTS, read).await;
    drop(client);
    recorder.settled().await;
    assert_eq!(server.accepted(), recorder.close_reasons().len());
    recorder
}

fn new_connections(recorder: &Recorder) -> usize {
    recorder.timings().iter().filter(|timings| timings.reuse() == Reuse::New).count()
}

#[tokio::test]
async fn close_reason_unread_body_is_body_dropped() {
    let body = "x".repeat(3_000_000);
    let script = Script::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n{body}"));
    let recorder = on_tcp(script, false).await;
    assert_eq!(new_connections(&recorder), REQUESTS);
    assert_eq!(recorder.close_reasons(), ["body_dropped"; REQUESTS]);
}

#[tokio::test]
async fn close_reason_response_header_close_is_connection_close() {
    let script = Script::new().read_request();
    let script = script.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").close();
    let recorder = on_tcp(script, true).await;
    assert_eq!(new_connections(&recorder), REQUESTS);
    assert_eq!(recorder.close_reasons(), ["connection_close"; REQUESTS]);
}

#[tokio::test]
async fn close_reason_request_header_close_is_connection_close() {
    let server = ScriptedServer::tcp(
        Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").close(),
    )
    .await
    .unwrap();
    let (outbound, recorder) = recorded();
    let mut request = secret::request(&server.uri("/"), Body::default());
    request.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    let response = tcp(&outbound).oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["connection_close"]);
}

#[tokio::test]
async fn close_reason_http_1_0_response_is_http_1_0() {
    let script = Script::new().read_request().write("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok").close();
    let recorder = on_tcp(script, true).await;
    assert_eq!(recorder.close_reasons(), ["http_1_0"; REQUESTS]);
}

#[tokio::test]
async fn close_reason_peer_fin_is_peer_closed() {
    let script = Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").close();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = tcp(&outbound);
    for round in 1..=REQUESTS {
        send(&client, &server.uri("/"), 1, true).await;
        recorder.wait_until(|recorder| recorder.close_reasons().len() == round).await;
    }
    assert_eq!(recorder.close_reasons(), ["peer_closed"; REQUESTS]);
}

#[tokio::test]
async fn close_reason_reset_is_error() {
    let script = Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").reset();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = tcp(&outbound);
    send(&client, &server.uri("/"), 1, true).await;
    recorder.wait_until(|recorder| recorder.close_reasons().len() == 1).await;
    assert_eq!(recorder.close_reasons(), ["error"]);
}

#[tokio::test]
async fn close_reason_non_http_answer_is_protocol_error() {
    let server =
        ScriptedServer::tcp(Script::new().read_request().write("SSH-2.0-no\r\n").hang()).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = tcp(&outbound);
    client.oneshot(secret::request(&server.uri("/"), Body::default())).await.unwrap_err();
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["invalid_response in head"]);
    assert_eq!(recorder.close_reasons(), ["protocol_error"]);
}

#[tokio::test]
async fn close_reason_data_on_idle_connection_is_protocol_error() {
    let stale = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let idle = Gate::new();
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let script = Script::new().read_request().write(response).wait(&idle).write(stale).close();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = tcp(&outbound);
    send(&client, &server.uri("/"), 1, true).await;
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    idle.open();
    recorder.wait_until(|recorder| !recorder.close_reasons().is_empty()).await;
    assert_eq!(recorder.close_reasons(), ["protocol_error"]);
    assert_eq!(recorder.outcomes(), ["ok"]);
}

#[tokio::test]
async fn close_reason_rest_of_dropped_body_is_body_dropped() {
    let rest = Gate::new();
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab";
    let script = Script::new().read_request().write(head).wait(&rest).write("cd").close();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = tcp(&outbound);
    send(&client, &server.uri("/"), 1, false).await;
    rest.open();
    recorder.wait_until(|recorder| !recorder.close_reasons().is_empty()).await;
    assert_eq!(recorder.close_reasons(), ["body_dropped"]);
}

#[tokio::test(start_paused = true)]
async fn close_reason_pool_idle_timeout_is_idle_timeout() {
    let script = Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer));
    for _ in 0..REQUESTS {
        send(&client, &server.uri("/"), 1, true).await;
        tokio::time::sleep(2 * outbound.idle_timeout() + Duration::from_secs(1)).await;
    }
    recorder.settled().await;
    assert_eq!(new_connections(&recorder), REQUESTS);
    assert_eq!(recorder.close_reasons(), ["idle_timeout"; REQUESTS]);
}

#[tokio::test]
async fn close_reason_dropped_client_is_dropped() {
    let recorder = on_tcp(Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), true).await;
    assert_eq!(new_connections(&recorder), 1);
    assert_eq!(recorder.close_reasons(), ["dropped"]);
}

#[tokio::test(start_paused = true)]
async fn reuse_after_small_unread_body_keeps_connection() {
    let script = Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer));
    for _ in 0..2 {
        let response =
            client.clone().oneshot(secret::request(&server.uri("/"), Body::default())).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        drop(response);
        recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
        assert!(timings.is_complete());
    }
    assert_eq!(server.accepted(), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["dropped"]);
}

#[tokio::test]
async fn close_reason_goaway_is_goaway_and_state_draining() {
    let server = H2Server::builder().start(|_| async { Response::new(Body::from("ok")) }).await.unwrap();
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).build();
    let client = outbound.client_builder().http2_only(true).build();
    let get = async || {
        let response = client.request(secret::request(&server.uri("/"), Body::default())).await.unwrap();
        response.into_body().collect().await.unwrap();
    };
    get().await;
    get().await;
    let connection = outbound.connections().remove(0);
    assert_eq!(connection.state(), ConnectionState::Idle);
    server.graceful_shutdown();
    recorder.wait_until(|recorder| !recorder.close_reasons().is_empty()).await;
    assert_eq!(recorder.close_reasons(), ["goaway"]);
    assert_eq!(connection.state(), ConnectionState::Draining);
    assert_eq!(new_connections(&recorder), 1);
    recorder.settled().await;
}
