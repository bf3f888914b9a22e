//! The request's body: what is sent again of it, and what is not.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use outbound_tests::server::{Script, ScriptedServer};

use super::*;

/// So many frames of 1 KiB; the counter has how many were polled.
fn frames(count: usize) -> (Upload, Arc<AtomicUsize>) {
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
async fn a_streaming_body_within_the_bound_is_sent_again_as_it_was_and_polled_once() {
    let bench = Bench::new();
    let (server, connector) = ScriptedServer::duplex(busy_then_ok());
    let layer = bench.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client = bench.stack(bench.outbound.connector(connector), &layer);
    let (body, polled) = frames(64);
    assert_eq!(read(&client, post(server.uri("/"), body)).await.unwrap().0, 200);
    assert_eq!(polled.load(Ordering::Relaxed), 64);
    let log = server.log();
    assert_eq!(log.len(), 1);
    let payload = log[0].raw.iter().filter(|byte| **byte == b'x').count();
    assert_eq!(payload, 2 * 64 * 1024);
}

#[tokio::test(start_paused = true)]
async fn one_beyond_the_bound_is_sent_once_and_its_answer_returned() {
    let bench = Bench::new();
    let (server, connector) = ScriptedServer::duplex(busy_then_ok());
    let layer = bench.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client = bench.stack(bench.outbound.connector(connector), &layer);
    let (body, polled) = frames(65);
    assert_eq!(read(&client, post(server.uri("/"), body)).await.unwrap().0, 503);
    assert_eq!((polled.load(Ordering::Relaxed), server.requests()), (65, 1));
    assert_eq!(bench.told()[2], "no resend status: body");
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_before_its_body_is_whole_is_not_sent_again() {
    let bench = Bench::new();
    let (server, connector) = ScriptedServer::duplex(Script::new().read_head().write(BUSY).read_to_end());
    let layer = bench.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client = bench.stack(bench.outbound.connector(connector), &layer);
    let endless = UnsyncBoxBody::new(StreamBody::new(
        stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]).chain(stream::pending()),
    ));
    assert_eq!(send(&client, post(server.uri("/"), endless)).await.unwrap().status(), 503);
    assert_eq!(bench.told()[2], "no resend status: body");
}
