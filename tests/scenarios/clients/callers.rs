//! Requests of several callers on a shared connection.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use outbound_tests::secret::{self, MARKER};
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tokio::sync::Barrier;
use tower_outbound::{OutboundClient, Timings};

use super::hyper_util::HTTP_1;
use crate::support::{Body, recorded};

/// Sends a request as `caller`; returns the body of the answer and the connection's id.
async fn send_as(client: &OutboundClient, uri: &http::Uri, caller: &str) -> (String, u64) {
    let mut request: Request<Body> = secret::request(uri, Body::default());
    let value = HeaderValue::try_from(bearer(caller)).unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    let response = client.request(request).await.unwrap();
    let connection = response.extensions().get::<Timings>().unwrap().connection().unwrap().id();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (String::from_utf8(body.to_vec()).unwrap(), connection)
}

fn bearer(caller: &str) -> String {
    format!("Bearer {caller}-{MARKER}")
}

#[tokio::test]
async fn http1_reused_connection_sends_own_authorization() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    let (_, first) = send_as(&client, &server.uri("/"), "anna").await;
    let (_, second) = send_as(&client.clone(), &server.uri("/"), "ben").await;
    assert_eq!(first, second);

    let port = recorder.timings()[0].connection().unwrap().local_addr().unwrap().port();
    let log = server.log();
    let heads = &log.iter().find(|connection| connection.peer_port() == Some(port)).unwrap().heads;
    let sent: Vec<_> = heads
        .iter()
        .map(|head| {
            let values = head.split("\r\n").filter_map(|line| line.strip_prefix("authorization: "));
            values.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(sent, [[bearer("anna")], [bearer("ben")]], "one each");
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn http2_shared_connection_returns_own_answers() {
    const CALLERS: [&str; 2] = ["anna", "ben"];
    let both_there = Arc::new(Barrier::new(CALLERS.len()));
    let server = H2Server::builder()
        .start(move |request: Request<hyper::body::Incoming>| {
            let both_there = both_there.clone();
            async move {
                both_there.wait().await;
                let value = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
                Response::new(Body::from(value))
            }
        })
        .await
        .unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().http2_only(true).build();
    let uri = server.uri("/");
    let (anna, ben) = tokio::join!(send_as(&client, &uri, CALLERS[0]), send_as(&client, &uri, CALLERS[1]));
    assert_eq!((anna.0, ben.0), (bearer("anna"), bearer("ben")));
    assert_eq!(anna.1, ben.1);
    drop(client);
    recorder.settled().await;
}
