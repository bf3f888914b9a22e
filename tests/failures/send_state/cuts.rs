//! Attempts dropped by a timeout: no byte of a request reported as not sent reaches the server.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use outbound_tests::gate::Gate;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream, ReadBuf};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::{Call, Event, Kind, Outbound, Outcome, Phase, SendState, UrlTemplate};

use super::{ANSWER, Failures, nowhere, post, read_by};
use crate::pipe::all_idle;
use crate::stack::{Body, get, stack};

/// The request with a call attached, and the call.
pub(super) fn with_call(mut request: http::Request<Body>) -> (http::Request<Body>, Call) {
    let call = Call::new();
    request.extensions_mut().insert(call.clone());
    (request, call)
}

/// Drops the attempt as timed out when `when` completes.
pub(super) async fn cut<T>(attempt: impl Future<Output = T>, call: &Call, when: impl Future<Output = ()>) {
    let attempt = std::pin::pin!(attempt);
    tokio::select! {
        _ = attempt => panic!("the attempt ended before the timeout"),
        () = when => call.attempt_timed_out(),
    }
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_in_connect_is_not_sent() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    let failures = Failures::default();
    let outbound = failures.outbound();
    let stack = stack(&outbound, outbound.connector(peer.delay(Duration::from_secs(60))), false);
    let (request, call) = with_call(post(&nowhere(), 9));
    cut(stack.oneshot(request), &call, all_idle()).await;
    let failure = failures.only();
    assert_eq!((failure.kind(), failure.send_state()), (Kind::ResponseTimeout, Some(SendState::NotSent)));
    assert_eq!(failures.connection(), None);
    tokio::time::advance(Duration::from_secs(120)).await;
    all_idle().await;
    assert_eq!(read_by(&server), 0);
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_in_wait_on_reused_connection_is_sent() {
    let gate = Gate::new();
    let script = Script::new().read_request().write(ANSWER).read_request().open(&gate).hang();
    let (_server, peer) = ScriptedServer::duplex(script);
    let failures = Failures::default();
    let outbound = failures.outbound();
    let stack = stack(&outbound, outbound.connector(peer), false);
    stack.clone().oneshot(get(&nowhere())).await.unwrap().into_body().collect().await.unwrap();
    let (request, call) = with_call(post(&nowhere(), 9));
    cut(stack.oneshot(request), &call, gate.wait()).await;
    assert_eq!(failures.only().send_state(), Some(SendState::Sent));
    assert!(failures.connection().is_some());
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_in_send_is_partial_by_bytes_read() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_to_end());
    let failures = Failures::default();
    let outbound = failures.outbound();
    let stack = stack(&outbound, outbound.connector(peer), false);
    let frames = stream::iter([Ok(http_body::Frame::data(Bytes::from("abc")))]).chain(stream::pending());
    let request = http::Request::post(nowhere()).body(StreamBody::new(frames).boxed_unsync()).unwrap();
    let (request, call) = with_call(request);
    cut(stack.oneshot(request), &call, all_idle()).await;
    let read = read_by(&server);
    assert!(read > 3);
    assert_eq!(failures.only().send_state(), Some(SendState::Partial(read)));
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_in_upload_stops_the_upload() {
    let gate = Gate::new();
    let (server, peer) = ScriptedServer::duplex(Script::new().wait(&gate).read_to_end());
    let failures = Failures::default();
    let outbound = failures.outbound();
    let stack = stack(&outbound, outbound.connector(peer), false);
    let (request, call) = with_call(post(&nowhere(), 1_000_000));
    cut(stack.oneshot(request), &call, all_idle()).await;
    let failure = failures.only();
    assert_eq!(failure.phase(), Some(Phase::Send));
    // What the pipe holds. The client has more, ready to be written.
    assert_eq!(failure.send_state(), Some(SendState::Partial(65_536)));
    gate.open();
    all_idle().await;
    assert_eq!(read_by(&server), 65_536);
    assert!(server.log()[0].ended.is_some(), "the connection is closed");
}

/// A stream whose writes wait until the gate opens.
struct Gated {
    stream: DuplexStream,
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
    open: Gate,
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if !self.open.is_open() && self.waiting.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct GatedIo(TokioIo<Gated>);

impl Connection for GatedIo {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for GatedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for GatedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_before_first_write_never_goes_out() {
    for keeps_the_attempt in [true, false] {
        let (client, mut peer) = tokio::io::duplex(1 << 16);
        let gate = Gate::new();
        let client = Arc::new(Mutex::new(Some(client)));
        let open = gate.clone();
        let connector = service_fn(move |_: http::Uri| {
            let (stream, open) = (client.lock().unwrap().take().expect("one connect"), open.clone());
            let waits = open.clone();
            let waiting = Box::pin(async move { waits.wait().await });
            let io = GatedIo(TokioIo::new(Gated { stream, waiting, open }));
            std::future::ready(Ok::<_, std::io::Error>(io))
        });
        let failures = Failures::default();
        let outbound = failures.outbound();
        let stack = stack(&outbound, outbound.connector(connector), false);
        let (request, call) = with_call(post(&nowhere(), 9));
        // The timeout and the gate come together: the connection's task finds both at once.
        cut(stack.oneshot(request), &call, all_idle()).await;
        let failure = if keeps_the_attempt { failures.only() } else { failures.take() };
        gate.open();
        assert_eq!((failure.kind(), failure.send_state()), (Kind::ResponseTimeout, Some(SendState::NotSent)));
        let mut read = Vec::new();
        peer.read_to_end(&mut read).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&read), "");
    }
}

#[tokio::test]
async fn send_state_timeout_on_http2_after_head_is_unknown() {
    let (asked, never) = (Gate::new(), Gate::new());
    let handler = {
        let (asked, never) = (asked.clone(), never.clone());
        move |_| {
            let (asked, never) = (asked.clone(), never.clone());
            async move {
                asked.open();
                never.wait().await;
                http::Response::new(Empty::<Bytes>::new())
            }
        }
    };
    let server = H2Server::builder().start(handler).await.unwrap();
    let failures = Failures::default();
    let outbound = failures.outbound();
    let stack = stack(&outbound, outbound.connector(outbound.http_connector()), true);
    let (request, call) = with_call(get(&server.uri("/")));
    cut(stack.oneshot(request), &call, asked.wait()).await;
    assert_eq!(failures.only().send_state(), Some(SendState::Unknown));
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_on_untracked_client_is_unknown() {
    let gate = Gate::new();
    let (_server, peer) = ScriptedServer::duplex(Script::new().read_request().open(&gate).hang());
    let failures = Failures::default();
    let outbound = failures.outbound();
    let client: hyper_util::client::legacy::Client<_, ObserveRequestBody<Body>> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(peer);
    let (request, call) = with_call(post(&nowhere(), 9));
    cut(outbound.attempt_layer().layer(client).oneshot(request), &call, gate.wait()).await;
    assert_eq!(failures.only().send_state(), Some(SendState::Unknown));
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_with_replaced_body_is_unknown() {
    let gate = Gate::new();
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().open(&gate).hang());
    let failures = Failures::default();
    let outbound = failures.outbound();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build::<_, Empty<Bytes>>(outbound.connector(peer));
    let client = tower_http::map_request_body::MapRequestBodyLayer::new(|_: ObserveRequestBody<Body>| {
        Empty::<Bytes>::new()
    })
    .layer(client);
    let (request, call) = with_call(post(&nowhere(), 9));
    cut(outbound.attempt_layer().layer(client).oneshot(request), &call, gate.wait()).await;
    assert_eq!(server.requests(), 1);
    assert_eq!(failures.only().send_state(), Some(SendState::Unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn send_state_not_sent_never_reaches_server() {
    const ATTEMPTS: usize = 3_000;
    // Every attempt needs a new connection, so timeouts hit before and after the connect.
    let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    let script = Script::new().read_request().write(answer).close();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let unsent = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let unsent = unsent.clone();
        move |event: &Event<'_>| {
            if let Event::AttemptEnded { attempt, outcome: Outcome::Failed(failure), .. } = event
                && failure.send_state() == Some(SendState::NotSent)
            {
                unsent.lock().unwrap().push(attempt.template().unwrap().as_static().unwrap());
            }
        }
    };
    let outbound = Outbound::builder().observer(observer).build();
    let stack = stack(&outbound, outbound.connector(outbound.http_connector()), false);
    let mut rounds = Vec::new();
    for at in 0..ATTEMPTS {
        let path: &'static str = format!("/{at}").leak();
        let mut request = get(&server.uri(path));
        request.extensions_mut().insert(UrlTemplate::from_static(path));
        let (request, call) = with_call(request);
        let mut attempt = stack.clone().oneshot(request).boxed();
        rounds.push(tokio::spawn(async move {
            for _ in 0..at % 16 {
                if futures_util::poll!(&mut attempt).is_ready() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            call.attempt_timed_out();
        }));
        if rounds.len() == 16 {
            futures_util::future::join_all(rounds.drain(..)).await;
        }
    }
    futures_util::future::join_all(rounds).await;
    drop(stack);
    server.wait_until(|log| log.iter().all(|connection| connection.ended.is_some())).await;
    let unsent = unsent.lock().unwrap();
    println!("{} of {ATTEMPTS} unsent, {} requests seen", unsent.len(), server.requests());
    assert!(unsent.len() > ATTEMPTS / 100, "only {} attempts timed out before they were sent", unsent.len());
    for connection in server.log() {
        for head in &connection.heads {
            let path = head.split(' ').nth(1).unwrap();
            assert!(!unsent.contains(&path), "{path} was reported as not sent");
        }
    }
}
