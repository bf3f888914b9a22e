//! A peer that responds before the client has polled the end of the request body.

use std::convert::Infallible;

use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use outbound_tests::gate::Gate;

use super::*;

type Leased = LeasedBody<RequestBody>;

/// A body of these frames that reports its end only when it is polled once more.
fn frames(texts: &'static [&'static str]) -> RequestBody {
    let frames = stream::iter(texts).map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
    UnsyncBoxBody::new(StreamBody::new(frames))
}

/// A client. The first attempt takes one frame, stores the rest of the body and responds 503; the second takes all.
async fn call(
    client: Arc<Mutex<Vec<Leased>>>,
    mut request: Request<Leased>,
) -> Result<Response<RequestBody>, Infallible> {
    let first = client.lock().unwrap().is_empty();
    if !first {
        let all = request.into_body().collect().await.unwrap().to_bytes();
        return Ok(Response::new(Full::new(all).map_err(|never| match never {}).boxed_unsync()));
    }
    request.body_mut().frame().await.unwrap().unwrap();
    client.lock().unwrap().push(request.into_body());
    let mut busy = Response::new(upload("busy"));
    *busy.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    Ok(busy)
}

/// The response's status and body, the events, and the rest of the first attempt's body.
async fn early_response(body: RequestBody) -> (u16, Bytes, Vec<String>, Leased) {
    let (fixture, client) = (Fixture::new(), Arc::new(Mutex::new(Vec::new())));
    let held = Arc::clone(&client);
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let service = layer.layer(tower::service_fn(move |request| call(Arc::clone(&held), request)));
    let request = Request::post("http://peer.test/").body(body).unwrap();
    let response = service.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let rest = client.lock().unwrap().pop().unwrap();
    (status, bytes, fixture.events(), rest)
}

#[tokio::test(start_paused = true)]
async fn retry_early_answer_with_whole_body_taken_is_retried() {
    let (status, response, events, _) = early_response(frames(&["whole"])).await;
    assert_eq!((status, &response[..]), (200, &b"whole"[..]));
    assert_eq!(events[1], "retry status");
}

#[tokio::test(start_paused = true)]
async fn retry_early_answer_returned_with_rest_of_body_intact() {
    let (status, response, events, rest) = early_response(frames(&["one", "two", "three"])).await;
    assert_eq!((status, &response[..]), (503, &b"busy"[..]));
    assert_eq!(events[1], "no retry status: body");
    assert_eq!(rest.collect().await.unwrap().to_bytes(), "twothree");
}

#[tokio::test(start_paused = true)]
async fn retry_early_answer_wakes_client_waiting_for_body() {
    let gate = Gate::new();
    let held = gate.clone();
    let later = stream::once(async move {
        held.wait().await;
        Ok(Frame::data(Bytes::from_static(b"two")))
    });
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"one")))]);
    let body = UnsyncBoxBody::new(StreamBody::new(first.chain(later)));
    let waiting = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&waiting);
    let fixture = Fixture::new();
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let service = layer.layer(tower::service_fn(move |mut request: Request<Leased>| {
        let slot = Arc::clone(&slot);
        async move {
            request.body_mut().frame().await.unwrap().unwrap();
            // Like a connection that continues the upload.
            let mut rest = tokio::spawn(request.into_body().collect());
            assert!(futures_util::poll!(&mut rest).is_pending());
            tokio::task::yield_now().await;
            *slot.lock().unwrap() = Some(rest);
            let mut busy = Response::new(upload("busy"));
            *busy.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok::<_, Infallible>(busy)
        }
    }));
    let request = Request::post("http://peer.test/").body(body).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 503);
    gate.open();
    let rest = waiting.lock().unwrap().take().unwrap();
    assert_eq!(rest.await.unwrap().unwrap().to_bytes(), "two");
}

#[tokio::test(start_paused = true)]
async fn retry_returned_answer_does_not_poll_body_ahead() {
    let polled = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&polled);
    let frames = stream::iter(["one", "two"]).map(move |text| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    });
    let fixture = Fixture::new();
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let service = layer.layer(tower::service_fn(|mut request: Request<Leased>| async move {
        request.body_mut().frame().await.unwrap().unwrap();
        Ok::<_, Infallible>(Response::new(upload("ok")))
    }));
    let body = UnsyncBoxBody::new(StreamBody::new(frames));
    let response = service.oneshot(Request::post("http://peer.test/").body(body).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), polled.load(std::sync::atomic::Ordering::Relaxed)), (200, 1));
}
