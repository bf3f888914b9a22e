//! What the caller sends.

use std::io;

use axum::body::Body;
use axum::http::{Request, Uri};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use outbound_tests::gate::Gate;

pub(super) fn get(uri: &Uri) -> Request<Body> {
    request("GET", uri, Body::empty())
}

/// 1,000 bytes of 2,000, and then no more.
pub(super) fn unfinished(uri: &Uri) -> Request<Body> {
    half(uri, stream::pending())
}

pub(super) fn endless(uri: &Uri) -> Request<Body> {
    let part = || Ok::<_, io::Error>(Bytes::from_static(&[b'u'; 16_384]));
    request("POST", uri, Body::from_stream(stream::repeat_with(part)))
}

/// 1,000 bytes of 2,000, and an error when the gate opens.
pub(super) fn failing(uri: &Uri, gate: Gate) -> Request<Body> {
    let fails = stream::once(async move {
        gate.wait().await;
        Err(io::Error::other("the file is gone"))
    });
    half(uri, fails)
}

fn half(uri: &Uri, then: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Request<Body> {
    let begun = stream::iter([Ok(Bytes::from_static(&[b'u'; 1_000]))]);
    let mut request = request("POST", uri, Body::from_stream(begun.chain(then)));
    request.headers_mut().insert("content-length", 2_000.into());
    request
}

fn request(method: &str, uri: &Uri, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(body).expect("its parts are valid")
}
