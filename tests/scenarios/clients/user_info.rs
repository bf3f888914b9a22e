//! User info in a URI goes to the peer as `Authorization: Basic`, and nowhere else.

use std::sync::{Arc, Mutex};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tonic::transport::Endpoint;
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::Error;

use super::hyper_util::HTTP_1;
use crate::support::{Body, recorded, tcp};

/// `user7:pass word`
const USER_7: &str = "Basic dXNlcjc6cGFzcyB3b3Jk";

/// 50 requests with a user each, one after the other, and one that has a header already.
async fn send_all<S, B>(client: S, uri: &Uri)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Error> + Clone,
    B: http_body::Body<Error = Error>,
{
    let authority = uri.authority().unwrap();
    for number in 0..50 {
        let uri = format!("http://user{number}:pass%20word@{authority}/path");
        send(&client, Request::get(uri)).await;
    }
    let uri = format!("http://user:password@{authority}/path");
    send(&client, Request::get(uri).header(AUTHORIZATION, "Bearer token")).await;
}

async fn send<S, B>(client: &S, request: http::request::Builder)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Error> + Clone,
    B: http_body::Body<Error = Error>,
{
    let response = client.clone().oneshot(request.body(Body::default()).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
}

fn check_http1(server: &ScriptedServer) {
    assert_eq!(server.accepted(), 1, "one connection for all users");
    let log = server.log();
    let heads = log[0].heads.clone();
    let address = server.address().unwrap();
    for (number, head) in heads.iter().enumerate() {
        assert!(head.starts_with("GET /path HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {address}\r\n")) && !head.contains('@'), "{head}");
        let expected = match number {
            7 => USER_7,
            50 => "Bearer token",
            _ => "Basic ",
        };
        assert!(head.contains(&format!("authorization: {expected}")), "{head}");
    }
    assert_eq!(heads.len(), 51);
}

#[tokio::test]
async fn user_info_becomes_header_on_hyper_util_http1() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, _) = recorded();
    send_all(tcp(&outbound), &server.uri("/")).await;
    check_http1(&server);
}

#[tokio::test]
async fn user_info_becomes_header_on_outbound_client_http1() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, _) = recorded();
    send_all(outbound.client(), &server.uri("/")).await;
    check_http1(&server);
}

#[tokio::test]
async fn user_info_becomes_header_on_reqwest() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, _) = recorded();
    send_all(outbound.reqwest(super::reqwest::builder()).unwrap(), &server.uri("/")).await;
    check_http1(&server);
}

type Heads = Arc<Mutex<Vec<(Option<String>, HeaderMap)>>>;

/// An HTTP/2 server that keeps `:authority` and headers of each request.
async fn http2() -> (H2Server, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let handler = move |request: Request<hyper::body::Incoming>| {
        let authority = request.uri().authority().map(ToString::to_string);
        seen.lock().unwrap().push((authority, request.headers().clone()));
        async { Response::new(Body::from("ok")) }
    };
    (H2Server::builder().start(handler).await.unwrap(), heads)
}

fn check_http2(server: &H2Server, heads: &Heads) {
    let heads = heads.lock().unwrap();
    for (authority, headers) in heads.iter() {
        assert_eq!(authority.as_deref(), Some(&*server.address().to_string()));
        assert!(headers.contains_key(AUTHORIZATION));
    }
    assert_eq!(heads[7].1[AUTHORIZATION], USER_7);
    assert_eq!(heads[50].1[AUTHORIZATION], "Bearer token");
    assert_eq!(server.accepted(), 1, "one connection for all users");
}

#[tokio::test]
async fn user_info_never_in_authority_on_hyper_util_http2() {
    let (server, heads) = http2().await;
    let (outbound, _) = recorded();
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    send_all(outbound.attempt_layer().layer(client), &server.uri("/")).await;
    check_http2(&server, &heads);
}

#[tokio::test]
async fn user_info_never_in_authority_on_outbound_client_http2() {
    let (server, heads) = http2().await;
    let (outbound, _) = recorded();
    send_all(outbound.client_builder().http2_only(true).build(), &server.uri("/")).await;
    check_http2(&server, &heads);
}

#[tokio::test]
async fn user_info_of_tonic_endpoint_never_in_authority() {
    let (server, heads) = http2().await;
    let (outbound, _) = recorded();
    let uri = format!("http://user7:pass%20word@{}", server.address());
    let channel = outbound.tonic(Endpoint::from_shared(uri).unwrap()).connect_lazy();
    for request in [Request::get("/"), Request::get("/").header(AUTHORIZATION, "Bearer token")] {
        let request = request.body(tonic::body::Body::empty()).unwrap();
        channel.clone().oneshot(request).await.unwrap();
    }
    let heads = heads.lock().unwrap();
    let authority = server.address().to_string();
    assert!(heads.iter().all(|(seen, _)| seen.as_deref() == Some(&*authority)), "{heads:?}");
    assert_eq!(heads[0].1[AUTHORIZATION], USER_7);
    assert_eq!(heads[1].1[AUTHORIZATION], "Bearer token");
}
