//! reqwest follows redirects itself: its error about the last request proves nothing about the first.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{Script, ScriptedServer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_outbound::reqwest::{ReqwestClient, ReqwestResolver};
use tower_outbound::{Failure, Kind, Outbound, Reuse, SendState};

use super::super::hyper_util::HTTP_1;
use super::{Hosts, builder, client, get};
use crate::support::recorded;

/// Retries everything that may be retried, without a backoff.
fn eager() -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone());
    let outbound = outbound.retry(|retry| retry.max_retries(2).backoff(Duration::ZERO, Duration::ZERO));
    (outbound.build(), recorder)
}

/// Answers each POST with a redirect.
async fn sending_to(location: &str) -> ScriptedServer {
    let redirect = format!("HTTP/1.1 303 See Other\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    ScriptedServer::tcp(Script::answering(redirect)).await.unwrap()
}

/// An address without a listener. No server gets the port while the socket is open.
fn nowhere() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let uri = format!("http://{}/result", socket.local_addr().unwrap());
    (socket, uri)
}

/// Processes each POST and answers 303; refuses every later request.
async fn refusing(stream: TcpStream, seen: Arc<Mutex<Vec<Method>>>) {
    stream.set_nodelay(true).unwrap();
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let redirects = request.uri().path() == "/orders";
        seen.lock().unwrap().push(request.method().clone());
        if redirects {
            let response = Response::builder().status(303).header("location", "/result").body(()).unwrap();
            let _: Result<h2::SendStream<Bytes>, _> = respond.send_response(response, true);
        } else {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
    }
}

/// An HTTP/2 client, the URI of a [`refusing`] peer, and the methods that the peer has seen.
async fn refused(outbound: &Outbound) -> (ReqwestClient, String, Arc<Mutex<Vec<Method>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let book = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refusing(stream, book.clone()));
        }
    });
    let builder = builder().http2_prior_knowledge();
    (outbound.reqwest_with_resolver(builder, Hosts::loopback()).unwrap(), uri, seen)
}

#[tokio::test]
async fn reqwest_redirect_then_refused_stream_is_not_retried() {
    for upload in ["", "upload"] {
        let (outbound, recorder) = eager();
        let (client, uri, seen) = refused(&outbound).await;
        let request = Request::post(format!("{uri}/orders")).body(upload.to_owned()).unwrap();
        let mut error = client.request(request).await.map(drop).unwrap_err();
        assert_eq!(*seen.lock().unwrap(), [Method::POST, Method::GET], "{upload:?}");
        assert_eq!(error.failure().kind(), Kind::StreamRefused);
        assert_eq!(error.failure().send_state(), Some(SendState::Unknown));
        assert!(error.history().is_empty() && error.take_request::<reqwest::Body>().is_none());
        assert_eq!(recorder.outcomes().len(), 1);
        recorder.settled().await;
    }
}

#[tokio::test]
async fn reqwest_redirect_refused_stream_has_no_send_state() {
    let (outbound, _recorder) = recorded();
    let (client, uri, seen) = refused(&outbound).await;
    let error = client.get_ref().post(format!("{uri}/orders")).send().await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [Method::POST, Method::GET]);
    let failure = Failure::of(&error);
    assert_eq!((failure.kind(), failure.send_state()), (Kind::StreamRefused, None));
}

#[tokio::test]
async fn reqwest_redirect_to_closed_port_is_not_retried() {
    for upload in ["", "upload"] {
        let (_held, nowhere) = nowhere();
        let server = sending_to(&nowhere).await;
        let (outbound, recorder) = eager();
        let request = Request::post(server.uri("/")).body(upload.to_owned()).unwrap();
        let mut error = client(&outbound).request(request).await.map(drop).unwrap_err();
        assert_eq!((server.requests(), recorder.outcomes().len()), (1, 1), "{upload:?}");
        assert_eq!(error.failure().kind(), Kind::ConnectionRefused);
        assert_eq!(error.failure().send_state(), Some(SendState::Unknown));
        assert!(error.take_request::<reqwest::Body>().is_none());
        recorder.settled().await;
    }
}

#[tokio::test]
async fn reqwest_redirect_with_replaced_body_is_not_retried() {
    let (_held, nowhere) = nowhere();
    let server = sending_to(&nowhere).await;
    let (outbound, recorder) = eager();
    let connector = outbound.reqwest_connector();
    let client = builder()
        .connector_layer(connector.clone())
        .dns_resolver(ReqwestResolver::new(Hosts::loopback()))
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(outbound.layer())
        // A body that was read or dropped above does not show what was sent.
        .map_request(|request: Request<_>| request.map(|_| String::from("upload")))
        .service(connector.service(client));
    let request = Request::post(server.uri("/")).body(String::from("plain")).unwrap();
    let error = service.oneshot(request).await.map(drop).unwrap_err();
    assert_eq!((server.requests(), recorder.outcomes().len()), (1, 1));
    assert_eq!(error.failure().send_state(), Some(SendState::Unknown));

    // Nothing of this request was sent.
    let lookups = AtomicUsize::new(0);
    let hosts = Hosts::answering(move |_| match lookups.fetch_add(1, Ordering::Relaxed) {
        0 => Err("no such host".into()),
        _ => Ok(std::net::Ipv4Addr::LOCALHOST.into()),
    });
    let answering = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let client = outbound.reqwest_with_resolver(builder(), hosts).unwrap();
    let uri = answering.uri_with("http", "peer.test", "/");
    let response = client.request(Request::post(uri).body(String::from("upload")).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(recorder.outcomes()[1..], ["name_resolution_error in dns", "ok"]);
}

/// A client with two idle connections: one used, and one unused that was returned last. The peer answers the first
/// request on the unused one with `redirect`.
async fn with_a_spare_connection(
    outbound: &Outbound,
    recorder: &Recorder,
    redirect: String,
) -> (ReqwestClient, ScriptedServer) {
    let (answer, found) = (Gate::new(), Gate::new());
    let first = Script::new().read_request().write(HTTP_1).read_request().wait(&answer).write(HTTP_1);
    let first = first.read_request().write(HTTP_1).hang();
    let spare = Script::new().read_request().write(redirect).then(Script::answering(HTTP_1));
    let server = ScriptedServer::tcp([first, spare]).await.unwrap();
    let lookup = found.clone();
    let hosts = Hosts::waiting(move |nth| (nth == 1).then(|| lookup.clone()));
    let client = outbound.reqwest_with_resolver(builder(), hosts).unwrap();
    let uri = server.uri_with("http", "peer.test", "/");

    // The third request starts a connect, but is served by the second's connection: the new connection is spare.
    get(&client, &uri).await;
    let spawn = || {
        let (client, uri) = (client.clone(), uri.clone());
        tokio::spawn(async move { get(&client, &uri).await })
    };
    let second = spawn();
    server.wait_until(|log| log[0].requests == 2).await;
    let third = spawn();
    recorder.wait_until(|recorder| recorder.count("ConnectStarted") == 2).await;
    answer.open();
    second.await.unwrap();
    third.await.unwrap();
    found.open();
    recorder.wait_until(|recorder| recorder.count("ConnectWasted") == 1).await;
    // The connecting task needs a few polls to give its connection to the pool.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    (client, server)
}

fn moved_to(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn reqwest_redirect_failed_connection_reuse_is_unknown() {
    let (outbound, recorder) = recorded();
    let (_held, nowhere) = nowhere();
    let (client, server) = with_a_spare_connection(&outbound, &recorder, moved_to(&nowhere)).await;
    let uri = server.uri_with("http", "peer.test", "/");
    let request = Request::post(uri.clone()).body(reqwest::Body::default()).unwrap();
    let error = client.request(request).await.map(drop).unwrap_err();
    assert_eq!(error.failure().kind(), Kind::ConnectionRefused);
    let next = get(&client, &uri).await;
    assert_eq!((server.accepted(), server.log()[1].requests), (2, 2), "{:?}", server.log());
    assert_eq!((next.connection(), next.reuse()), (None, Reuse::Unknown));
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_redirect_cancelled_connection_reuse_is_unknown() {
    let silent = ScriptedServer::tcp(Script::new().read_request().hang()).await.unwrap();
    let (outbound, recorder) = recorded();
    let redirect = moved_to(&silent.uri("/").to_string());
    let (client, server) = with_a_spare_connection(&outbound, &recorder, redirect).await;
    let uri = server.uri_with("http", "peer.test", "/");
    let call =
        tokio::spawn(client.request(Request::get(uri.clone()).body(reqwest::Body::default()).unwrap()));
    silent.wait_until(|log| log.iter().any(|connection| connection.requests == 1)).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let next = get(&client, &uri).await;
    assert_eq!((server.accepted(), server.log()[1].requests), (2, 2), "{:?}", server.log());
    assert_eq!((next.connection(), next.reuse()), (None, Reuse::Unknown));
    recorder.settled().await;
}
