//! Requests that are cut before a connection of the crate's pool has them: none of them reaches the server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use outbound_tests::faults::frames::{ACK, END_HEADERS, END_STREAM, HEADERS, OK, SETTINGS, frame};
use outbound_tests::server::{DuplexConnector, H2Server, Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::connect::Track;
use tower_outbound::limit::InFlightLimit;
use tower_outbound::observe::{Observe, ObserveRequestBody};
use tower_outbound::pool::{Pool, PoolBuilder};
use tower_outbound::{Event, Kind, Outbound, Outcome, Phase, SendState, UrlTemplate};

use super::cuts::{cut, with_call};
use super::{Failures, nowhere, post};
use crate::pipe::all_idle;
use crate::stack::{Body, get};

type Pooled<C> = Observe<InFlightLimit<Pool<Track<C>, ObserveRequestBody<Body>>>>;

fn pooled(
    outbound: &Outbound,
    peer: DuplexConnector,
    options: impl FnOnce(PoolBuilder) -> PoolBuilder,
) -> Pooled<DuplexConnector> {
    let pool = options(Pool::builder()).build(outbound.connector(peer));
    outbound.attempt_layer().layer(pool)
}

/// A response without a body.
fn ok(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, OK)
}

fn settings() -> Script {
    Script::new().write([frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat())
}

#[tokio::test(start_paused = true)]
async fn send_state_timeout_in_queue_of_pool_is_not_sent() {
    for http2 in [false, true] {
        let script = if http2 { settings() } else { Script::new().read_request() };
        let (_server, peer) = ScriptedServer::duplex(script.hang());
        let failures = Failures::default();
        let outbound = failures.outbound();
        let options = |pool: PoolBuilder| pool.max_connections_per_origin(1).max_streams(1).http2_only(http2);
        let stack = pooled(&outbound, peer, options);
        let mut first = stack.clone().oneshot(get(&nowhere())).boxed();
        assert!(futures_util::poll!(&mut first).is_pending());
        let (request, call) = with_call(post(&nowhere(), 9));
        cut(stack.oneshot(request), &call, all_idle()).await;
        let failure = failures.only();
        assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseTimeout, Some(Phase::Acquire)));
        assert_eq!(failure.send_state(), Some(SendState::NotSent), "HTTP/2: {http2}");
        assert_eq!(failures.connection(), None);
    }
}

/// The only thread does not poll the connection before the timeout, so hyper has not taken the request.
#[tokio::test(start_paused = true)]
async fn send_state_timeout_before_http2_connection_takes_is_not_sent() {
    let script = settings().sleep(Duration::from_secs(1)).write(ok(1));
    let (server, peer) = ScriptedServer::duplex(script.sleep(Duration::from_secs(9)).write(ok(3)).hang());
    let failures = Failures::default();
    let outbound = failures.outbound();
    let stack = pooled(&outbound, peer, |pool| pool.http2_only(true));
    stack.clone().oneshot(get(&nowhere())).await.unwrap();
    let (request, call) = with_call(post(&nowhere(), 9));
    let mut attempt = stack.clone().oneshot(request).boxed();
    assert!(futures_util::poll!(&mut attempt).is_pending());
    call.attempt_timed_out();
    drop(attempt);
    let failure = failures.only();
    assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseTimeout, Some(Phase::Acquire)));
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
    // The next request is on the next stream.
    stack.oneshot(get(&nowhere())).await.unwrap();
    assert_eq!(server.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn send_state_not_sent_never_reaches_http2_server() {
    const ATTEMPTS: usize = 3_000;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let paths = seen.clone();
    let handler = move |request: Request<Incoming>| {
        paths.lock().unwrap().push(request.uri().path().to_owned());
        std::future::ready(Response::new(Full::new(Bytes::from("ok"))))
    };
    let server = H2Server::builder().start(handler).await.unwrap();
    let unsent = Arc::new(Mutex::new(Vec::new()));
    let reported = unsent.clone();
    let observer = move |event: &Event<'_>| {
        if let Event::AttemptEnded { attempt, outcome: Outcome::Failed(failure), .. } = event
            && failure.send_state() == Some(SendState::NotSent)
        {
            reported.lock().unwrap().push(attempt.template().unwrap().as_static().unwrap());
        }
    };
    let outbound = Outbound::builder().observer(observer).build();
    let pool = Pool::builder().http2_only(true).build(outbound.connector(outbound.http_connector()));
    let stack = outbound.attempt_layer().layer(pool);
    stack.clone().oneshot(get(&server.uri("/first"))).await.unwrap();
    let mut rounds = Vec::new();
    for at in 0..ATTEMPTS {
        let path: &'static str = format!("/{at}").leak();
        let mut request: Request<Body> = get(&server.uri(path));
        request.extensions_mut().insert(UrlTemplate::from_static(path));
        let (request, call) = with_call(request);
        let mut attempt = stack.clone().oneshot(request).boxed();
        rounds.push(tokio::spawn(async move {
            for _ in 0..=at % 8 {
                if futures_util::poll!(&mut attempt).is_ready() {
                    return;
                }
                if at % 3 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            call.attempt_timed_out();
        }));
        if rounds.len() == 16 {
            futures_util::future::join_all(rounds.drain(..)).await;
        }
    }
    futures_util::future::join_all(rounds).await;
    // What is on its way arrives before the answer to this one.
    let last = stack.oneshot(get(&server.uri("/last"))).await.unwrap();
    last.into_body().collect().await.unwrap();
    let (unsent, seen) = (unsent.lock().unwrap(), seen.lock().unwrap());
    println!("{} of {ATTEMPTS} unsent, {} requests seen", unsent.len(), seen.len());
    assert!(unsent.len() > ATTEMPTS / 100, "only {} attempts timed out before they were sent", unsent.len());
    for path in seen.iter() {
        assert!(!unsent.contains(&path.as_str()), "{path} was reported as not sent");
    }
}
