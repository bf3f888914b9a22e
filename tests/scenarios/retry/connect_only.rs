//! `connect_only()` through `Outbound::builder().retry(..)`, for each client.

use std::net::SocketAddr;
use std::time::Duration;

use outbound_tests::certs::Certs;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Endpoint;
use tower::Service as _;

use super::*;

/// A stack with `connect_only`, and with an option that `connect_only` overrides.
fn connect_only() -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone());
    let outbound = outbound.retry(RetryLayer::connect_only);
    let outbound = outbound.retry(|retry| retry.idempotent().backoff(Duration::ZERO, Duration::ZERO));
    (outbound.build(), recorder)
}

async fn get_by_outbound_client(outbound: &Outbound, uris: &[http::Uri]) {
    let client = outbound.client();
    for uri in uris {
        if let Ok(response) = client.get(uri.clone()).await {
            response.into_body().collect().await.unwrap();
        }
    }
}

async fn get_by_reqwest(outbound: &Outbound, uris: &[http::Uri]) {
    let tls = Certs::new("peer.test").client_config(&[]);
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    let client = outbound.reqwest(builder).unwrap();
    for uri in uris {
        let request = Request::get(uri.clone()).body(reqwest::Body::default()).unwrap();
        if let Ok(response) = client.request(request).await {
            response.into_body().collect().await.unwrap();
        }
    }
}

async fn get_by_tonic(outbound: &Outbound, uris: &[http::Uri]) {
    let mut channel = outbound.tonic(Endpoint::from(uris[0].clone())).connect_lazy();
    for uri in uris {
        let request = Request::get(uri.clone()).body(tonic::body::Body::empty()).unwrap();
        if let Ok(response) = channel.ready().await.unwrap().call(request).await {
            response.into_body().collect().await.unwrap();
        }
    }
}

fn uri(address: SocketAddr) -> http::Uri {
    format!("http://{address}/").parse().unwrap()
}

/// A server that closes its connection on the second request, after reading the whole request.
async fn closing_http1() -> ScriptedServer {
    ScriptedServer::tcp(Script::new().read_request().write(OK).read_request().close()).await.unwrap()
}

/// As [`closing_http1`], with HTTP/2 and prior knowledge.
async fn closing_http2() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer_once(stream).await;
        }
    });
    address
}

async fn answer_once(stream: TcpStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    // The next request has arrived, so drop the connection.
    connection.accept().await.unwrap().unwrap();
}

async fn assert_refused_connect_is_retried_once(get: impl AsyncFnOnce(&Outbound, &[http::Uri])) {
    let (outbound, recorder) = connect_only();
    get(&outbound, &[uri(closed_port().unwrap())]).await;
    let outcomes = recorder.outcomes();
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.starts_with("connection_refused")), "{outcomes:?}");
    recorder.settled().await;
}

/// The server answers the first request and closes the connection after it has read the second one.
async fn assert_sent_request_is_not_retried(
    get: impl AsyncFnOnce(&Outbound, &[http::Uri]),
    server: &http::Uri,
) {
    let (outbound, recorder) = connect_only();
    get(&outbound, &[server.clone(), server.clone()]).await;
    let outcomes = recorder.outcomes();
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert_eq!(outcomes[0], "ok");
    assert_ne!(outcomes[1], "ok");
    assert_eq!(recorder.count("RetryDecided"), 0);
    recorder.settled().await;
}

#[tokio::test]
async fn retry_connect_only_of_builder_applies_to_outbound_client() {
    assert_refused_connect_is_retried_once(get_by_outbound_client).await;
    let server = closing_http1().await;
    assert_sent_request_is_not_retried(get_by_outbound_client, &server.uri("/")).await;
    assert_eq!((server.accepted(), server.requests()), (1, 2));
}

#[tokio::test]
async fn retry_connect_only_of_builder_applies_to_reqwest() {
    assert_refused_connect_is_retried_once(get_by_reqwest).await;
    let server = closing_http1().await;
    assert_sent_request_is_not_retried(get_by_reqwest, &server.uri("/")).await;
    assert_eq!((server.accepted(), server.requests()), (1, 2));
}

#[tokio::test]
async fn retry_connect_only_of_builder_applies_to_tonic() {
    assert_refused_connect_is_retried_once(get_by_tonic).await;
    assert_sent_request_is_not_retried(get_by_tonic, &uri(closing_http2().await)).await;
}
