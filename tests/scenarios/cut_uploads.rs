//! Uploads that end early, on each client: what is reported of them stays true, and an answer that has arrived is read.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_outbound::{BoxError, Kind, Phase, SendState, Timings};

use crate::http1_clients::{AnyBody, HTTP1_CLIENTS, any};
use crate::support::recorded;

/// More than the buffers of two sockets hold.
const UPLOAD: usize = 24 << 20;
/// What the peer reads of it.
const READ: usize = 640_000;

fn upload(uri: &http::Uri) -> Request<AnyBody> {
    let body = Full::from(vec![b'x'; UPLOAD]).map_err(|never| match never {}).boxed_unsync();
    Request::post(uri).body(body).unwrap()
}

/// An empty body that does not say so before it is polled.
struct SilentlyEmpty;

impl Body for SilentlyEmpty {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(None)
    }
}

fn silently_empty(method: &Method, uri: &http::Uri) -> Request<AnyBody> {
    Request::builder().method(method).uri(uri).body(SilentlyEmpty.boxed_unsync()).unwrap()
}

#[tokio::test]
async fn upload_after_half_close_ends_where_partial_says() {
    for (name, connect) in HTTP1_CLIENTS {
        let gate = Gate::new();
        let script = Script::new().read_exact(READ).shutdown().wait(&gate).read_to_end();
        let server = ScriptedServer::tcp(script).await.unwrap();
        let (outbound, recorder) = recorded();
        let client = connect(outbound, server.uri("/")).await;
        let error = client.oneshot(upload(&server.uri("/"))).await.map(drop).unwrap_err();
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseEnded, Some(Phase::Send)), "{name}");
        let Some(SendState::Partial(written)) = failure.send_state() else { panic!("{name}: {error:?}") };
        gate.open();
        server.wait_until(|log| log.iter().all(|connection| connection.ended.is_some())).await;
        assert_eq!(server.log()[0].raw.len() as u64, written, "{name}");
        recorder.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_cut_by_reset_fails_in_send_as_partial() {
    for (name, connect) in HTTP1_CLIENTS {
        for _ in 0..10 {
            let server = ScriptedServer::tcp(Script::new().read_exact(READ).reset()).await.unwrap();
            let (outbound, _recorder) = recorded();
            let client = connect(outbound, server.uri("/")).await;
            let error = client.oneshot(upload(&server.uri("/"))).await.map(drop).unwrap_err();
            let failure = error.failure();
            assert!(matches!(failure.send_state(), Some(SendState::Partial(_))), "{name}: {error:?}");
            assert_eq!(
                (failure.kind(), failure.phase()),
                (Kind::ConnectionReset, Some(Phase::Send)),
                "{name}"
            );
        }
    }
}

/// The peer answers, then closes with the rest of the upload unread, which resets the connection.
fn too_large(script: Script) -> Script {
    let head = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 40000\r\n\r\n";
    script.read_exact(READ).write([head.as_bytes(), &[b'y'; 40_000]].concat()).close()
}

#[tokio::test]
async fn upload_cut_after_answer_returns_the_answer() {
    for (name, connect) in HTTP1_CLIENTS {
        for _ in 0..25 {
            let server = ScriptedServer::tcp(too_large(Script::new())).await.unwrap();
            let (outbound, recorder) = recorded();
            let client = connect(outbound, server.uri("/")).await;
            let response = client.oneshot(upload(&server.uri("/"))).await.unwrap();
            assert_eq!(response.status(), 413, "{name}");
            let timings = response.extensions().get::<Timings>().unwrap().clone();
            assert!(timings.attempt().answered_early(), "{name}");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 40_000, "{name}");
            recorder.settled().await;
        }
    }
}

#[tokio::test]
async fn upload_cut_after_answer_inside_tls_returns_the_answer() {
    let certs = Certs::new("localhost");
    for _ in 0..25 {
        let script = too_large(Script::new().tls(certs.server_config(&["http/1.1"])));
        let server = ScriptedServer::tcp(script).await.unwrap();
        let (outbound, recorder) = recorded();
        let client = any(outbound.client_builder().tls_config(certs.client_config(&[])).build());
        let response = client.oneshot(upload(&server.uri_with("https", "localhost", "/"))).await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 40_000);
        recorder.settled().await;
    }
}

#[tokio::test]
async fn empty_body_that_does_not_say_so_is_wholly_sent() {
    const ANSWER: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    for (name, connect) in HTTP1_CLIENTS {
        for method in
            [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS, Method::POST, Method::CONNECT]
        {
            let gate = Gate::new();
            let script = Script::new().read_request().wait(&gate).write(ANSWER).read_request().close();
            let server = ScriptedServer::tcp(script).await.unwrap();
            let (outbound, recorder) = recorded();
            let client = connect(outbound, server.uri("/")).await;
            let uri = server.uri("/");
            let answer = async {
                server.wait_until(|log| !log.is_empty() && !log[0].heads.is_empty()).await;
                gate.open();
            };
            let (response, ()) = tokio::join!(client.clone().oneshot(silently_empty(&method, &uri)), answer);
            let response = response.unwrap();
            let timings = response.extensions().get::<Timings>().unwrap().clone();
            response.into_body().collect().await.unwrap();
            assert!(!timings.attempt().answered_early(), "{name} {method}: {timings}");
            assert!(timings.phase(Phase::Wait).is_some(), "{name} {method}: {timings}");

            // The peer reads the second request, and closes. Some clients retry what is idempotent.
            let _ = client.oneshot(silently_empty(&method, &uri)).await;
            let outcomes = recorder.outcomes();
            assert!(
                outcomes.iter().any(|outcome| outcome == "response_ended in wait"),
                "{name} {method}: {outcomes:?}"
            );
        }
    }
}
