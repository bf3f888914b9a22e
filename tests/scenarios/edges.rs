//! Edge cases: interim responses, upgrades, wasted connections, requests lost before their first byte.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outbound_tests::gate::Gate;
use outbound_tests::secret;
use outbound_tests::server::{DuplexIo, H2Server, Script, ScriptedServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{Service as _, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::connect::TrackedIo;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::{BoxError, Kind, Phase, Reuse, SendState, Timings};

use crate::support::{Body, recorded, stack};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const TOLERANCE: Duration = Duration::from_millis(10);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn reuse_request_dying_unsent_is_reused_and_closes_once() {
    let gate = Gate::new();
    let script = Script::new().read_request().write(ANSWER).wait(&gate).close();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build::<_, ObserveRequestBody<Body>>(outbound.connector(peer));
    let mut client = outbound.attempt_layer().layer(client);

    let first = client.call(secret::request(&server.uri("/"), Body::default())).await.unwrap();
    first.into_body().collect().await.unwrap();
    // All tasks are idle. The peer's task runs first, so the connection's task finds the end and the request at once.
    tokio::time::sleep(ms(1)).await;
    gate.open();
    let error = client.call(secret::request(&server.uri("/"), Body::default())).await.map(drop).unwrap_err();
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.send_state()), (Kind::ResponseEnded, Some(SendState::NotSent)));
    let attempt = error.attempt().unwrap();
    assert_eq!((attempt.reuse(), attempt.usage().unwrap().number()), (Reuse::Reused, 2));
    assert_eq!(attempt.connection().unwrap().uses(), 1);
    drop(client);
    recorder.settled().await;
    assert_eq!((server.accepted(), server.requests(), recorder.count("ConnectionClosed")), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn wait_phase_measured_after_upload_without_end_of_stream() {
    let script = Script::new().read_request().sleep(ms(70)).write(ANSWER).read_request().hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(peer));
    let client = outbound.attempt_layer().layer(client);
    let upload = || {
        let frames = [Ok::<_, BoxError>(Frame::data(Bytes::from("abc")))];
        let body = UnsyncBoxBody::new(StreamBody::new(futures_util::stream::iter(frames)));
        let mut request = secret::request(&server.uri("/"), body);
        request.headers_mut().insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("3"));
        request
    };

    let response = client.clone().oneshot(upload()).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    response.into_body().collect().await.unwrap();
    assert!(timings.phase(Phase::Wait).unwrap().abs_diff(ms(70)) <= TOLERANCE, "{timings}");
    assert!(timings.phase(Phase::Send).unwrap() <= TOLERANCE, "{timings}");

    let cancelled = tokio::time::timeout(ms(50), client.clone().oneshot(upload())).await;
    assert!(cancelled.is_err());
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok", "cancelled in wait"]);
}

#[tokio::test(start_paused = true)]
async fn interim_response_is_neither_answer_nor_new_use() {
    const LENGTH: usize = 300_000;
    let script = Script::new()
        .read_head()
        .sleep(ms(10))
        .write("HTTP/1.1 100 Continue\r\n\r\n")
        .sleep(ms(10))
        .read_exact(LENGTH)
        .sleep(ms(70))
        .write(ANSWER)
        .read_request()
        .write(ANSWER)
        .hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer));

    let mut request = secret::request(&server.uri("/"), Body::from(vec![0; LENGTH]));
    request.headers_mut().insert(http::header::EXPECT, http::HeaderValue::from_static("100-continue"));
    for (request, number) in [(request, 1), (secret::request(&server.uri("/"), Body::default()), 2)] {
        let response = client.clone().oneshot(request).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        response.into_body().collect().await.unwrap();
        assert_eq!(timings.usage().unwrap().number(), number);
        let think = if number == 1 { ms(70) } else { ms(0) };
        assert!(timings.phase(Phase::Wait).unwrap().abs_diff(think) <= TOLERANCE, "{timings}");
    }
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn http2_reuse_new_is_attempt_that_paid_if_answered_last() {
    let gate = Gate::new();
    let held = gate.clone();
    let handler = move |request: Request<hyper::body::Incoming>| {
        let held = held.clone();
        async move {
            if request.uri().path() == "/slow" {
                held.wait().await;
            }
            http::Response::new(Body::from("ok"))
        }
    };
    let server = H2Server::builder().start(handler).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client_builder().http2_only(true).build();

    let slow = tokio::spawn(client.request(secret::request(&server.uri("/slow"), Body::default())));
    recorder.wait_until(|recorder| recorder.gauges() == (1, 0)).await;
    let read = async |response: http::Response<tower_outbound::client::ResponseBody>| {
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        response.into_body().collect().await.unwrap();
        timings
    };
    let fast = client.request(secret::request(&server.uri("/fast"), Body::default())).await.unwrap();
    let fast = read(fast).await;
    gate.open();
    let slow = read(slow.await.unwrap().unwrap()).await;
    assert_eq!((slow.reuse(), slow.usage().unwrap().number(), slow.setup_paid()), (Reuse::New, 1, true));
    assert_eq!((fast.reuse(), fast.usage().unwrap().number(), fast.setup_paid()), (Reuse::Reused, 2, false));
    drop(client);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn wasted_connection_closes_as_idle_timeout() {
    let script = Script::new().read_request().sleep(ms(20)).write(ANSWER).repeat();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer.delay(ms(50))));
    let send = || client.clone().oneshot(secret::request(&server.uri("/"), Body::default()));
    let read = async |response: Result<http::Response<_>, _>| {
        let response: http::Response<
            tower_outbound::observe::ObserveBody<
                tower_outbound::limit::InFlightLimitBody<hyper::body::Incoming>,
            >,
        > = response.map_err(|error: tower_outbound::Error| error.to_string()).unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        response.into_body().collect().await.unwrap();
        timings
    };
    read(send().await).await;
    let (second, third) =
        tokio::join!(async { read(send().await).await }, async { read(send().await).await });
    assert_eq!(second.connection().unwrap().id(), third.connection().unwrap().id());
    // The second request waited for the connection. `ready_at` is the end of that wait.
    assert!(third.usage().unwrap().ready_at() > third.attempt().start_time());

    tokio::time::sleep(2 * outbound.idle_timeout() + ms(1000)).await;
    recorder.settled().await;
    assert_eq!(recorder.count("ConnectWasted"), 1);
    assert_eq!(recorder.close_reasons(), ["idle_timeout", "idle_timeout"]);
}

#[tokio::test(start_paused = true)]
async fn upgraded_connection_is_single_use_and_closes_as_upgraded() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut script = Script::new().read_head().write(upgrade);
    for _ in 0..5 {
        script = script.read_exact(1).write("y");
    }
    let (server, peer) = ScriptedServer::duplex(script.hang());
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer));
    let mut request = secret::request(&server.uri("/"), Body::default());
    let headers = request.headers_mut();
    headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    headers.insert(http::header::UPGRADE, http::HeaderValue::from_static("echo"));

    let mut response = client.oneshot(request).await.unwrap();
    let connection = response.extensions().get::<Timings>().unwrap().connection().unwrap();
    let mut upgraded = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    for _ in 0..5 {
        upgraded.write_all(b"x").await.unwrap();
        upgraded.flush().await.unwrap();
        upgraded.read_u8().await.unwrap();
    }
    assert_eq!(
        (connection.uses(), recorder.gauges()),
        (1, (1, 0)),
        "an upgraded connection is in use until its IO is dropped"
    );
    drop(upgraded);
    recorder.settled().await;
    assert_eq!((connection.uses(), recorder.close_reasons()), (1, vec!["upgraded"]));
}

#[tokio::test(start_paused = true)]
async fn upgraded_connection_downcast_gives_its_io_back() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nahead";
    let script = Script::new().read_head().write(upgrade).read_exact(1).write("y");
    let (server, peer) = ScriptedServer::duplex(script.hang());
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer));
    let mut request = secret::request(&server.uri("/"), Body::default());
    let headers = request.headers_mut();
    headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    headers.insert(http::header::UPGRADE, http::HeaderValue::from_static("echo"));

    let mut response = client.oneshot(request).await.unwrap();
    let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
    let parts = upgraded.downcast::<TrackedIo<DuplexIo>>().expect("the IO of the connection");
    assert_eq!(parts.read_buf, "ahead");
    let mut tracked = parts.io;
    let connection = tracked.connection().clone();
    TokioIo::new(tracked.get_mut()).write_all(b"x").await.unwrap();
    let mut plain = TokioIo::new(tracked.into_inner());
    recorder.settled().await;
    assert_eq!((connection.uses(), recorder.close_reasons()), (1, vec!["upgraded"]));
    assert_eq!(plain.read_u8().await.unwrap(), b'y', "the connection is open");
}

/// Callers on two threads cancel at random moments. The recorder panics on an event after an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_on_two_threads_emits_no_event_after_end() {
    const CALLERS: u64 = 4;
    const ROUNDS: u64 = 1_500;
    let close = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let script =
        Script::new().read_request().write(ANSWER).read_request().write(ANSWER).read_request().write(close);
    let server = ScriptedServer::tcp(script.close()).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = crate::support::tcp(&outbound);

    let callers = (0..CALLERS).map(|caller| {
        let (client, uri) = (client.clone(), server.uri("/"));
        tokio::spawn(async move {
            for round in caller..caller + ROUNDS {
                let attempt = client.clone().oneshot(secret::request(&uri, Body::default()));
                let attempt = tokio::spawn(async {
                    if let Ok(response) = attempt.await {
                        let _ = response.into_body().collect().await;
                    }
                });
                if round % 2 == 0 {
                    for _ in 0..round % 9 {
                        tokio::task::yield_now().await;
                    }
                    for _ in 0..round * 37 % 4_000 {
                        std::hint::spin_loop();
                    }
                    attempt.abort();
                }
                let _ = attempt.await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes().len() as i64, recorder.count("AttemptStarted"));
    assert!(recorder.outcomes().iter().any(|outcome| outcome.starts_with("cancelled")));
    assert_eq!(recorder.count("connected"), recorder.count("ConnectionOpened"));
}
