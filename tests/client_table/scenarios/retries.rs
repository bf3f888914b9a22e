//! Requests that are retried, and requests that are not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use outbound_tests::server::closed_port;
use tower_outbound::retry::{RetryHistory, RetryOptions};
use tower_outbound::{Event, Kind};

use crate::cell::{Body, Cell, get, post, text};
use crate::peer::{Answered, Peer, body, listen};

/// An observer that binds the address when the first backoff starts, and the bound listener.
fn listens_at_first_backoff(
    address: SocketAddr,
) -> (impl Fn(&Event<'_>) + Send + Sync + 'static, mpsc::Receiver<std::net::TcpListener>) {
    let (sender, receiver) = mpsc::channel();
    let first = std::sync::Mutex::new(Some(sender));
    let observer = move |event: &Event<'_>| {
        if matches!(event, Event::BackoffStarted { .. })
            && let Some(sender) = first.lock().unwrap().take()
        {
            sender.send(listen(address)).unwrap();
        }
    };
    (observer, receiver)
}

/// Responds with the request's body.
async fn echo(request: Request<Incoming>) -> Answered {
    let upload = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(body(upload)))
}

/// Sends a request to a peer that starts to listen later. Returns the response's body.
async fn retry_on_refused_connect(cell: &Cell, upload: Body) -> Bytes {
    let address = closed_port().unwrap();
    let (observer, listener) = listens_at_first_backoff(address);
    let uri = cell.uri(address);
    let client = cell.client_with(&uri, |outbound| outbound.observer(observer)).await;
    let call = client.send(post(&uri, upload));
    let peer = async {
        client.recorder.wait_until(|recorder| recorder.count("BackoffStarted") == 1).await;
        Peer::start_on(listener.recv().unwrap(), cell.kind, &cell.certs, echo)
    };
    let (response, peer) = tokio::join!(call, peer);
    let response = response.unwrap();
    let history = response.extensions().get::<RetryHistory>().expect("the history of a retried call").clone();
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(peer.seen().len(), 1);
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].failure().unwrap().kind(), Kind::ConnectionRefused);
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes().len(), 2);
    assert_eq!(recorder.outcomes()[1], "ok");
    answer
}

pub(super) async fn retry_of_unsent_request_is_made(cell: &Cell) {
    assert_eq!(retry_on_refused_connect(cell, text("upload")).await, "upload");
}

pub(super) async fn retry_of_unpolled_stream_body_sends_whole_body(cell: &Cell) {
    let frames = futures_util::stream::iter(["up", "lo", "ad"])
        .map(|part| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(part.as_bytes()))));
    assert_eq!(
        retry_on_refused_connect(cell, http_body_util::BodyExt::boxed(StreamBody::new(frames))).await,
        "upload"
    );
}

pub(super) async fn retry_of_unprocessed_request_is_made(cell: &Cell) {
    let asked = Arc::new(AtomicUsize::new(0));
    let peer = cell.peer(move |request| {
        let refused = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            match refused {
                true => Err(h2::Error::from(h2::Reason::REFUSED_STREAM).into()),
                false => echo(request).await,
            }
        }
    });
    let client = cell.client(&peer.uri("/")).await;
    let (timings, answer) = client.read(post(&peer.uri("/"), text("upload"))).await.unwrap();
    assert_eq!(answer, "upload");
    assert_eq!(timings.attempt().ordinal(), 1);
    assert_eq!((peer.seen().len(), peer.accepted()), (2, 1));
    let recorder = client.leave().await;
    assert_eq!(recorder.outcomes(), ["stream_refused in wait", "ok"]);
}

pub(super) async fn retry_response_is_released_before_backoff(cell: &Cell) {
    let asked = Arc::new(AtomicUsize::new(0));
    let peer = cell.peer(move |request| {
        let busy = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if !busy {
                return echo(request).await;
            }
            request.into_body().collect().await?;
            let mut response = Response::new(body("busy"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("0"));
            Ok(response)
        }
    });
    let statuses = [StatusCode::SERVICE_UNAVAILABLE];
    let options =
        |outbound: tower_outbound::outbound::OutboundBuilder| outbound.retry(|retry| retry.status(statuses));
    let client = cell.client_with(&peer.uri("/"), options).await;
    let (timings, answer) = client.read(post(&peer.uri("/"), text("upload"))).await.unwrap();
    assert_eq!(answer, "upload");
    assert_eq!(timings.attempt().ordinal(), 1);
    let connections: Vec<_> = peer.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1], "the connection was given back");
    let recorder = client.leave().await;
    let names = recorder.names();
    let expected = ["AttemptStarted", "AttemptEnded", "Released"];
    let order: Vec<_> = names.iter().filter(|name| expected.contains(&&***name)).collect();
    assert_eq!(order, ["AttemptStarted", "AttemptEnded", "Released", "AttemptStarted", "AttemptEnded"]);
}

pub(super) async fn retry_off_for_request_is_respected(cell: &Cell) {
    let uri = cell.uri(closed_port().unwrap());
    let client = cell.client(&uri).await;
    let mut request = get(&uri);
    request.extensions_mut().insert(RetryOptions::off());
    let error = client.send(request).await.map(drop).unwrap_err();
    assert_eq!(error.failure().kind(), Kind::ConnectionRefused);
    let recorder = client.leave().await;
    assert_eq!((recorder.outcomes().len(), recorder.count("BackoffStarted")), (1, 0));
}
