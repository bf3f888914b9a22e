//! hyper's connections without a pool: only the bytes and the connection's task show which attempt a connection serves.

use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use outbound_tests::gate::Gate;
use outbound_tests::secret;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::connect::{Protocol, TcpIo, TrackedIo};
use tower_outbound::hyper::HyperService;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::{Kind, Outbound, Reuse, SendState, Timings};

use super::checks::{ANSWER, marks_are_monotone};
use super::hyper_util::{HTTP_1, answer};
use crate::support::{Body, recorded};

type Sent = ObserveRequestBody<Body>;

async fn connect(outbound: &Outbound, uri: &http::Uri) -> TrackedIo<TcpIo> {
    let io = outbound.connector(outbound.http_connector()).oneshot(uri.clone()).await.unwrap();
    assert_eq!(outbound.connections().len(), 1, "open before anything was sent");
    io
}

/// Sends two requests, one after the other.
async fn send_twice<S>(sender: S, outbound: &Outbound, uri: &http::Uri) -> [Timings; 2]
where
    HyperService<S>: Service<Request<Sent>, Response = Response<Incoming>, Error = hyper::Error>,
{
    // hyper sends the URI unchanged, and a server expects a path.
    let layer = outbound.observe_layer().origin(uri);
    let mut service = layer.layer(HyperService::new(sender));
    let mut send = async || {
        let request = Request::post("/path").header("host", "peer.test").body(Body::from("upload")).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), ANSWER);
        assert!(timings.is_complete());
        timings
    };
    [send().await, send().await]
}

async fn over_http1(driven: bool) {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let io = connect(&outbound, &server.uri("/")).await;
    let record = io.connection().clone();
    let (sender, connection) = http1::handshake(io).await.unwrap();
    let driver = match driven {
        true => tokio::spawn(record.drive(connection)),
        false => tokio::spawn(connection),
    };

    let timings = send_twice(sender, &outbound, &server.uri("/")).await;
    driver.await.unwrap().unwrap();
    recorder.settled().await;

    let served: Vec<_> = timings.iter().map(|timings| timings.connection().unwrap()).collect();
    assert_eq!((&served[0], &served[1]), (&record, &record));
    assert_eq!((record.uses(), record.protocol()), (2, Some(Protocol::Http1)));
    assert_eq!(timings.each_ref().map(|timings| timings.usage().unwrap().number()), [1, 2]);
    assert_eq!(timings.each_ref().map(Timings::reuse), [Reuse::New, Reuse::Reused]);
    for timings in &timings {
        assert!(!timings.setup_paid(), "the connection was there before");
        assert!(!timings.first_byte_is_upper_bound());
        marks_are_monotone(timings);
    }
    let origin = timings[0].attempt().origin().to_string();
    assert_eq!(origin, format!("http://{}", server.address().unwrap()));
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(recorder.close_reasons(), ["dropped"]);
    assert_eq!(recorder.count("Misplaced"), 0);
}

#[tokio::test]
async fn hyper_conn_http1_undriven_knows_connection_and_reuse() {
    over_http1(false).await;
}

#[tokio::test]
async fn hyper_conn_http1_driven_knows_connection_and_reuse() {
    over_http1(true).await;
}

#[tokio::test]
async fn hyper_conn_http2_driven_knows_connection_and_reuse() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let io = connect(&outbound, &server.uri("/")).await;
    let record = io.connection().clone();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let driver = tokio::spawn(record.drive(connection));

    let timings = send_twice(sender, &outbound, &server.uri("/")).await;
    driver.await.unwrap().unwrap();
    recorder.settled().await;

    for timings in &timings {
        assert_eq!(timings.connection(), Some(record.clone()));
        assert_eq!(timings.setup().unwrap().id(), record.setup().id());
        assert!(!timings.setup_paid() && timings.first_byte_is_upper_bound());
        marks_are_monotone(timings);
    }
    assert_eq!((record.uses(), record.protocol()), (2, Some(Protocol::Http2)));
    assert_eq!(timings.each_ref().map(|timings| timings.usage().unwrap().number()), [1, 2]);
    assert_eq!(timings.each_ref().map(Timings::reuse), [Reuse::New, Reuse::Reused]);
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!((recorder.count("connected"), recorder.count("ConnectionAssigned")), (1, 2));
    assert_eq!(recorder.count("Misplaced"), 0);
}

#[tokio::test]
async fn hyper_conn_http2_undriven_connection_is_unknown() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let io = connect(&outbound, &server.uri("/")).await;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let driver = tokio::spawn(connection);

    let timings = send_twice(sender, &outbound, &server.uri("/")).await;
    assert_eq!(outbound.connections()[0].protocol(), Some(Protocol::Http2));
    driver.await.unwrap().unwrap();
    recorder.settled().await;

    for timings in &timings {
        assert!(timings.connection().is_none() && timings.setup().is_none());
        assert_eq!(timings.reuse(), Reuse::Unknown);
        assert!(timings.first_byte_is_upper_bound());
        marks_are_monotone(timings);
    }
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(recorder.count("connected"), 1);
    assert_eq!(recorder.count("Misplaced"), 0);
}

#[tokio::test]
async fn hyper_conn_two_driven_connections_not_mixed_up() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let uri = server.uri("/");
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let io = outbound.connector(outbound.http_connector()).oneshot(uri.clone()).await.unwrap();
        let record = io.connection().clone();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(record.drive(connection));
        let service = outbound.attempt_layer().layer(HyperService::new(sender));
        for _ in 0..8 {
            let (service, uri, record) = (service.clone(), uri.clone(), record.clone());
            tasks.push(tokio::spawn(async move {
                let request = secret::request(&uri, Body::from("upload"));
                let response = service.oneshot(request).await.unwrap();
                let timings = response.extensions().get::<Timings>().unwrap().clone();
                response.into_body().collect().await.unwrap();
                assert_eq!(timings.connection(), Some(record));
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    recorder.settled().await;
    assert_eq!(recorder.count("ConnectionAssigned"), 16);
}

#[tokio::test]
async fn hyper_conn_driver_polled_inside_attempt_is_known() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let io = connect(&outbound, &server.uri("/")).await;
    let record = io.connection().clone();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let driver = Arc::new(Mutex::new(Box::pin(record.drive(connection))));
    let service = tower::service_fn(move |request: Request<Sent>| sender.clone().send_request(request));
    // One task polls both: the driver is polled inside the poll of the attempt.
    let inner = tower::service_fn(|request: Request<Sent>| {
        let (mut sending, driver) = (Box::pin(service.clone().oneshot(request)), driver.clone());
        std::future::poll_fn(move |cx: &mut Context<'_>| {
            let sent = sending.as_mut().poll(cx);
            let _ = driver.lock().unwrap().as_mut().poll(cx);
            sent
        })
    });
    let mut observed = outbound.observe_layer().layer(inner);
    let request = secret::request(&server.uri("/"), Body::from("upload"));
    let response = observed.call(request).await.unwrap();
    assert_eq!(response.extensions().get::<Timings>().unwrap().connection(), Some(record));
    drop((response, observed));
    recorder.wait_until(|recorder| recorder.outcomes() == ["cancelled in body"]).await;
}

#[tokio::test]
async fn hyper_conn_driven_counts_streams_in_flight() {
    let gate = Gate::new();
    let opened = gate.clone();
    let handler = move |request| {
        let gate = opened.clone();
        async move {
            gate.wait().await;
            answer(request).await
        }
    };
    let server = H2Server::builder().start(handler).await.unwrap();
    let (outbound, recorder) = recorded();
    let io = connect(&outbound, &server.uri("/")).await;
    let record = io.connection().clone();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(record.drive(connection));
    let service = outbound.attempt_layer().layer(HyperService::new(sender));
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let call = service.clone().oneshot(secret::request(&server.uri("/"), Body::default()));
            tokio::spawn(async { call.await.unwrap().into_body().collect().await.unwrap() })
        })
        .collect();
    recorder.wait_until(|_| record.in_flight() == 3).await;
    recorder.wait_until(|recorder| recorder.count("ConnectionAssigned") == 3).await;
    gate.open();
    for call in calls {
        call.await.unwrap();
    }
    drop(service);
    recorder.settled().await;
    assert_eq!((record.uses(), record.in_flight()), (3, 0));
}

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Sends two requests at once; the peer's GOAWAY covers the first. Returns the send state of the second.
async fn second_after_goaway(driven: bool) -> Option<SendState> {
    // Settings of both sides, `:status: 200` without a body on stream 1, and the GOAWAY that names it.
    let settings = [frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat();
    let goaway = [frame(1, 5, 1, &[0x88]), frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])].concat();
    let script = Script::new().write(settings).sleep(Duration::from_millis(10)).write(goaway).read_to_end();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let io = outbound.connector(peer).oneshot(server.uri("/")).await.unwrap();
    let record = io.connection().clone();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    if driven {
        tokio::spawn(record.drive(connection));
    } else {
        tokio::spawn(connection);
    }
    let service = outbound.attempt_layer().layer(HyperService::new(sender));
    let send = || service.clone().oneshot(secret::request(&server.uri("/"), Body::default()));
    let (first, second) = tokio::join!(send(), send());
    first.unwrap();
    let error = second.unwrap_err();
    assert_eq!(error.failure().kind(), Kind::GoAway);
    assert_eq!(error.connection().is_some(), driven);
    drop(service);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["goaway"]);
    error.failure().send_state()
}

#[tokio::test(start_paused = true)]
async fn hyper_conn_driven_goaway_is_not_processed() {
    assert_eq!(second_after_goaway(true).await, Some(SendState::NotProcessed));
    assert_eq!(
        second_after_goaway(false).await,
        Some(SendState::Unknown),
        "the connection of the GOAWAY is unknown"
    );
}
