//! Retries of requests through reqwest.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower_outbound::{BoxError, Outbound, Timings};

use super::super::hyper_util::HTTP_1;
use super::{Hosts, builder, client};

/// A body of two frames that cannot be cloned.
fn streaming() -> impl http_body::Body<Data = Bytes, Error = BoxError> + Send + Sync + 'static {
    let frames = ["up", "load"].map(|part| Ok(Frame::data(Bytes::from(part))));
    StreamBody::new(stream::iter(frames))
}

fn stack(retries: u32) -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone());
    let outbound = outbound.retry(|retry| retry.max_retries(retries).backoff(Duration::ZERO, Duration::ZERO));
    (outbound.build(), recorder)
}

#[tokio::test]
async fn reqwest_unsent_streaming_request_is_retried() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = stack(2);
    // The first address has no listener.
    let lookups = AtomicUsize::new(0);
    let hosts = Hosts::answering(move |_| {
        let first = lookups.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(if first { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST }.into())
    });
    let client = outbound.reqwest_with_resolver(builder(), hosts).unwrap();
    let request = Request::post(server.uri_with("http", "peer.test", "/")).body(streaming()).unwrap();
    let response = client.request(request).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    response.into_body().collect().await.unwrap();

    assert_eq!(recorder.outcomes(), ["connection_refused in acquire", "ok"]);
    assert_eq!(timings.attempt().ordinal(), 1);
    let log = server.log();
    assert_eq!((log.len(), log[0].requests), (1, 1));
    assert!(String::from_utf8_lossy(&log[0].raw).ends_with("2\r\nup\r\n4\r\nload\r\n0\r\n\r\n"));
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_retry_exhausted_returns_request_with_body() {
    let (outbound, recorder) = stack(1);
    let client = client(&outbound);
    let uri = format!("http://peer.test:{}/", closed_port().unwrap().port());
    let request = Request::post(uri).header("x-kept", "yes").body(streaming()).unwrap();
    let mut error = client.request(request).await.map(drop).unwrap_err();
    assert_eq!(recorder.outcomes(), ["connection_refused in acquire"; 2]);
    assert_eq!(error.history().len(), 1);

    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let mut request = error.take_request::<reqwest::Body>().unwrap();
    assert_eq!(request.headers()["x-kept"], "yes");
    *request.uri_mut() = server.uri("/");
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
    assert!(String::from_utf8_lossy(&server.log()[0].raw).ends_with("2\r\nup\r\n4\r\nload\r\n0\r\n\r\n"));
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_possibly_processed_request_is_not_retried() {
    // On a new and on a reused connection.
    let dying = Script::new().read_request().write(HTTP_1).read_request().close();
    let server = ScriptedServer::tcp([Script::new().read_request().close(), dying]).await.unwrap();
    let (outbound, recorder) = stack(2);
    let client = client(&outbound);
    let send = || client.request(Request::post(server.uri("/")).body("upload".to_owned()).unwrap());

    let mut error = send().await.map(drop).unwrap_err();
    assert!(error.history().is_empty() && error.take_request::<reqwest::Body>().is_none());
    send().await.unwrap().into_body().collect().await.unwrap();
    let error = send().await.map(drop).unwrap_err();
    assert!(error.history().is_empty());
    assert_eq!((server.accepted(), server.requests()), (2, 3));
    assert_eq!(recorder.outcomes().len(), 3);
    recorder.settled().await;
}
