//! The verbs of `OutboundClient` on the wire, and `bytes`, `text` and `json` of its response body.

use std::collections::HashMap;
use std::error::Error as _;

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::client::{RequestBody, ResponseBody};
use tower_outbound::{Class, Error, Kind, Phase};

use super::hyper_util::HTTP_1;
use crate::support::{Body, recorded};

/// A body of unknown length.
fn streamed() -> RequestBody {
    let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"abc")))];
    RequestBody::new(StreamBody::new(futures_util::stream::iter(frames)))
}

/// Method, framing header and body bytes of the only request.
fn seen(server: &ScriptedServer) -> (String, Option<String>, Vec<u8>) {
    let log = server.log();
    let [connection] = log.as_slice() else { panic!("one connection") };
    let [head] = connection.heads.as_slice() else { panic!("one request") };
    let framing = head.lines().find(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
    });
    let method = head.split(' ').next().unwrap().to_owned();
    (method, framing.map(str::to_ascii_lowercase), connection.raw[head.len()..].to_vec())
}

#[tokio::test]
async fn outbound_client_verbs_send_method_length_and_body() {
    type Send = fn(&tower_outbound::OutboundClient, &str) -> tower_outbound::client::ClientFuture;
    let cases: [(Send, &str, Option<&str>, &[u8]); 12] = [
        (|client, uri| client.get(uri), "GET", None, b""),
        (|client, uri| client.delete(uri), "DELETE", None, b""),
        (|client, uri| client.post(uri, "a=1"), "POST", Some("content-length: 3"), b"a=1"),
        (|client, uri| client.post(uri, "a=1".to_owned()), "POST", Some("content-length: 3"), b"a=1"),
        (|client, uri| client.post(uri, vec![0, 255]), "POST", Some("content-length: 2"), &[0, 255]),
        (|client, uri| client.post(uri, Bytes::from_static(b"x")), "POST", Some("content-length: 1"), b"x"),
        (|client, uri| client.post(uri, ""), "POST", Some("content-length: 0"), b""),
        (|client, uri| client.post(uri, RequestBody::empty()), "POST", Some("content-length: 0"), b""),
        (
            |client, uri| client.post(uri, streamed()),
            "POST",
            Some("transfer-encoding: chunked"),
            b"3\r\nabc\r\n0\r\n\r\n",
        ),
        (|client, uri| client.put(uri, "{}"), "PUT", Some("content-length: 2"), b"{}"),
        (
            |client, uri| client.request(http::Request::patch(uri).body(Body::from("p")).unwrap()),
            "PATCH",
            Some("content-length: 1"),
            b"p",
        ),
        // A boxed body stays as it is.
        (
            |client, uri| client.request(http::Request::post(uri).body(RequestBody::from("b")).unwrap()),
            "POST",
            Some("content-length: 1"),
            b"b",
        ),
    ];
    for (send, method, framing, body) in cases {
        let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
        let (outbound, recorder) = recorded();
        let client = outbound.client();
        let response = send(&client, &server.uri("/things").to_string()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().bytes().await.unwrap();
        assert_eq!(seen(&server), (method.to_owned(), framing.map(str::to_owned), body.to_vec()));
        drop(client);
        recorder.settled().await;
        assert_eq!(recorder.outcomes(), ["ok"]);
    }
}

/// The body of a response with these bytes after its status line.
async fn body_of(rest: &'static str) -> ResponseBody {
    let script = Script::new().read_request().write(format!("HTTP/1.1 200 OK\r\n{rest}")).close();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let response = recorded().0.client().get(server.uri("/")).await.unwrap();
    response.into_body()
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\": 1\r\n1\r\n}\r\n0\r\n\r\n";

#[tokio::test]
async fn response_body_bytes_text_and_json_read_all_frames() {
    assert_eq!(body_of("content-length: 0\r\n\r\n").await.bytes().await.unwrap(), "");
    assert_eq!(body_of("content-length: 2\r\n\r\nok").await.bytes().await.unwrap(), "ok");
    assert_eq!(body_of(CHUNKED).await.bytes().await.unwrap(), "{\"a\": 1}");
    assert_eq!(body_of(CHUNKED).await.text().await.unwrap(), "{\"a\": 1}");
    let json: HashMap<String, u32> = body_of(CHUNKED).await.json().await.unwrap();
    assert_eq!(json, HashMap::from([("a".to_owned(), 1)]));
    assert_eq!(ResponseBody::default().text().await.unwrap(), "");
}

#[track_caller]
fn is_undecodable(error: &Error) {
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::InvalidResponse, Some(Phase::Body)));
    assert!(error.attempt().is_some_and(|attempt| attempt.status() == Some(StatusCode::OK)));
    assert!(error.to_string().starts_with("GET http://"), "{error}");
}

#[tokio::test]
async fn response_body_json_error_has_source_of_serde() {
    let error = body_of("content-length: 2\r\n\r\nok").await.json::<u32>().await.unwrap_err();
    is_undecodable(&error);
    assert!(error.source().unwrap().is::<serde_json::Error>());
}

#[tokio::test]
async fn response_body_text_error_has_source_of_utf8() {
    let script = Script::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".as_slice());
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    let error = client.get(server.uri("/")).await.unwrap().into_body().text().await.unwrap_err();
    is_undecodable(&error);
    assert!(error.source().unwrap().is::<std::str::Utf8Error>());
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok"], "the attempt itself has succeeded");
}

#[tokio::test]
async fn response_body_cut_off_is_error_of_the_attempt() {
    for rest in ["content-length: 9\r\n\r\nok", "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n"] {
        let error = body_of(rest).await.bytes().await.unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ResponseEnded);
        assert_eq!(error.failure().class(), Some(Class::ConnectionReset));
        assert_eq!(body_of(rest).await.text().await.unwrap_err().failure().kind(), Kind::ResponseEnded);
        assert_eq!(body_of(rest).await.json::<u8>().await.unwrap_err().failure().kind(), Kind::ResponseEnded);
    }
}
