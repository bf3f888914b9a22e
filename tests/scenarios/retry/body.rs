//! The request body: which part of it is replayed, and which bodies are not retried.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use http_body_util::StreamBody;
use outbound_tests::gate::Gate;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use tower::Service as _;
use tower_outbound::retry::{RetryContext, Verdict};

use super::*;

/// A body of `count` frames of 1 KiB, and the number of polled frames.
fn frames(count: usize) -> (RequestBody, Arc<AtomicUsize>) {
    let polled = Arc::new(AtomicUsize::new(0));
    let counter = polled.clone();
    let frames = stream::iter(0..count).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(Frame::data(Bytes::from(vec![b'x'; 1024])))
    });
    (UnsyncBoxBody::new(StreamBody::new(frames)), polled)
}

fn busy_then_ok() -> Script {
    Script::new().read_request().write(BUSY).read_request().write(OK)
}

#[tokio::test(start_paused = true)]
async fn retry_streaming_body_within_bound_is_replayed_polled_once() {
    let fixture = Fixture::new();
    let (server, connector) = ScriptedServer::duplex(busy_then_ok());
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let (body, polled) = frames(64);
    assert_eq!(fetch(&client, post(server.uri("/"), body)).await.unwrap().0, 200);
    assert_eq!(polled.load(Ordering::Relaxed), 64);
    let log = server.log();
    assert_eq!(log.len(), 1);
    let payload = log[0].raw.iter().filter(|byte| **byte == b'x').count();
    assert_eq!(payload, 2 * 64 * 1024);
}

#[tokio::test(start_paused = true)]
async fn retry_body_beyond_bound_is_not_retried() {
    let fixture = Fixture::new();
    let (server, connector) = ScriptedServer::duplex(busy_then_ok());
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let (body, polled) = frames(65);
    assert_eq!(fetch(&client, post(server.uri("/"), body)).await.unwrap().0, 503);
    assert_eq!((polled.load(Ordering::Relaxed), server.requests()), (65, 1));
    assert_eq!(fixture.events()[2], "no retry status: body");
}

#[tokio::test(start_paused = true)]
async fn retry_answered_before_body_complete_is_not_retried() {
    let fixture = Fixture::new();
    let (server, connector) = ScriptedServer::duplex(Script::new().read_head().write(BUSY).read_to_end());
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let endless = UnsyncBoxBody::new(StreamBody::new(
        stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]).chain(stream::pending()),
    ));
    assert_eq!(send(&client, post(server.uri("/"), endless)).await.unwrap().status(), 503);
    assert_eq!(fixture.events()[2], "no retry status: body");
}

/// A body of known length; each frame is filled with its number.
struct NumberedFrames {
    next: u8,
    frames: u8,
}

const FRAME: usize = 64 * 1024;

impl http_body::Body for NumberedFrames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.next == self.frames {
            return Poll::Ready(None);
        }
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(vec![self.next; FRAME].into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.frames
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::from(self.frames - self.next) * FRAME as u64)
    }
}

/// A body of numbered frames, and its bytes.
fn numbered(frames: u8) -> (RequestBody, Vec<u8>) {
    let bytes = (1..=frames).flat_map(|frame| vec![frame; FRAME]).collect();
    (UnsyncBoxBody::new(NumberedFrames { next: 0, frames }), bytes)
}

/// Many more frames than the buffers of the client and the transport hold.
const MANY: u8 = 64;

#[tokio::test(start_paused = true)]
async fn retry_answered_early_sends_rest_of_body() {
    let fixture = Fixture::new();
    let go_on = Gate::new();
    let (body, bytes) = numbered(MANY);
    let script = Script::new()
        .read_request()
        .write(BUSY)
        .read_head()
        .write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        .wait(&go_on)
        .read_exact(bytes.len())
        .write("ok");
    let (server, connector) = ScriptedServer::duplex(script);
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]).replay_up_to(bytes.len());
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let response = send(&client, post(server.uri("/"), body)).await.unwrap();
    assert_eq!(response.status(), 200);
    go_on.open();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    let log = server.log();
    let raw = &log[0].raw;
    assert!(raw[raw.len() - bytes.len()..] == bytes, "the retry sent another body");
}

#[tokio::test(start_paused = true)]
async fn retry_answered_early_is_not_retried_again() {
    let fixture = Fixture::new();
    let (body, bytes) = numbered(MANY);
    let script = Script::new().read_request().write(BUSY).read_head().write(BUSY).hang();
    let (server, connector) = ScriptedServer::duplex(script);
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]).replay_up_to(bytes.len());
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    assert_eq!(send(&client, post(server.uri("/"), body)).await.unwrap().status(), 503);
    assert_eq!((server.accepted(), server.requests()), (1, 1));
    assert!(fixture.events().contains(&"no retry status: body".to_owned()));
}

/// A body whose size hint never shrinks, as some bodies do.
struct ConstantSizeHint(Full<Bytes>);

impl http_body::Body for ConstantSizeHint {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|never| match never {})
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(5)
    }
}

#[tokio::test(start_paused = true)]
async fn retry_replays_body_and_trailers_byte_for_byte() {
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"one"))),
        Ok(Frame::data(Bytes::from_static(b"two"))),
        Ok(Frame::trailers([("x-sum".parse().unwrap(), "6".parse().unwrap())].into_iter().collect())),
    ];
    let chunked = UnsyncBoxBody::new(StreamBody::new(stream::iter(frames)));
    let constant = UnsyncBoxBody::new(ConstantSizeHint(Full::from("hello")));
    for (body, end) in [
        (chunked, "3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\n\r\n"),
        (constant, "content-length: 5\r\n\r\nhello"),
    ] {
        let fixture = Fixture::new();
        let (server, connector) = ScriptedServer::duplex(busy_then_ok());
        let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
        let client = fixture.stack(fixture.outbound.connector(connector), &layer);
        let mut request = post(server.uri("/"), body);
        request.headers_mut().insert("trailer", "x-sum".parse().unwrap());
        assert_eq!(fetch(&client, request).await.unwrap().0, 200);
        let raw = String::from_utf8(server.log()[0].raw.clone()).unwrap();
        let (first, second) = raw.split_at(raw.len() / 2);
        assert_eq!(first, second);
        assert!(first.ends_with(end), "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_body_taken_back_breaks_off_without_end() {
    let (server, connector) = ScriptedServer::duplex(Script::new().read_to_end());
    let (sender, connection) =
        hyper::client::conn::http1::handshake(DuplexConnector::connect(&connector).unwrap()).await.unwrap();
    tokio::spawn(connection);
    let (calls, more) = (Arc::new(AtomicUsize::new(0)), Gate::new());
    let sender = Arc::new(Mutex::new(sender));
    // A client that reports a failure while it still sends the request.
    let client = tower::service_fn(move |request: Request<LeasedBody<RequestBody>>| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            tokio::spawn(sender.lock().unwrap().send_request(request));
        }
        async move {
            tokio::task::yield_now().await;
            if first { Err(BoxError::from("no")) } else { Ok(Response::new(upload("ok"))) }
        }
    });
    let gate = more.clone();
    let parts = stream::iter([0, 1]).then(move |part| {
        let gate = gate.clone();
        async move {
            if part == 1 {
                gate.wait().await;
            }
            Ok(Frame::data(Bytes::from_static(b"part")))
        }
    });
    let layer = Outbound::new().retry_layer().policy(|attempt: &RetryContext<'_>| {
        if attempt.result().is_err() { Verdict::Retry } else { Verdict::Return }
    });
    let request = post(server.uri("/"), UnsyncBoxBody::new(StreamBody::new(parts)));
    let mut service = layer.layer(client);
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    more.open();
    server.wait_until(|log| log[0].ended.is_some()).await;
    let raw = String::from_utf8(server.log()[0].raw.clone()).unwrap();
    assert!(raw.ends_with("\r\n\r\n4\r\npart\r\n"), "{raw:?}");
}
