//! Waiting for a stream is `acquire` until the request's HEADERS are out: the peer has no share in it.

use futures_util::future::join_all;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{H2Server, Script};
use tonic::transport::Endpoint;
use tower_outbound::hyper::HandshakeLayer;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Phase, RequestExt as _, SendState};

use super::*;

/// Allows one stream, answers the first request after 10 ms, and each later one 200 ms after the one before.
fn one_at_a_time() -> Script {
    let answers = [3, 5, 7, 9].map(|stream| Script::new().sleep(ms(200)).write(ok(stream)));
    let first = Script::new().write(settings(1)).sleep(ms(10)).write(ok(1));
    answers.into_iter().fold(first, Script::then).hang()
}

/// Four requests at once, each of which has a timeout of 300 ms for the first byte.
async fn four<S, B>(client: S, server: &ScriptedServer)
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Error> + Clone,
    B: http_body::Body<Error = Error>,
{
    read(&client, get(server)).await.unwrap();
    let timings = join_all((0..4).map(|_| read(&client, get(server)))).await;
    let phase = |phase| {
        let of = |timings: &Result<Timings, Error>| timings.as_ref().unwrap().phase(phase).unwrap();
        let mut all: Vec<_> = timings.iter().map(of).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(phase(Phase::Wait), [ms(200); 4]);
    assert_eq!(phase(Phase::Acquire), [ms(0), ms(200), ms(400), ms(600)]);
}

fn limited() -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    let timeouts = Timeouts::new().first_byte(ms(300)).write_idle(ms(300));
    (Outbound::builder().observer(recorder.clone()).timeouts(timeouts).build(), recorder)
}

#[tokio::test(start_paused = true)]
async fn stream_wait_is_acquire_on_hyper_util() {
    let (server, peer) = ScriptedServer::duplex(one_at_a_time());
    let (outbound, recorder) = limited();
    four(foreign(&outbound, outbound.connector(peer)), &server).await;
    assert_eq!(recorder.outcomes(), ["ok"; 5]);
}

#[tokio::test(start_paused = true)]
async fn stream_wait_is_acquire_on_driven_hyper_util() {
    let (server, peer) = ScriptedServer::duplex(one_at_a_time());
    let (outbound, recorder) = limited();
    four(driven(&outbound, peer), &server).await;
    assert_eq!(recorder.outcomes(), ["ok"; 5]);
}

#[tokio::test(start_paused = true)]
async fn stream_wait_is_acquire_on_hyper_connection() {
    let (server, peer) = ScriptedServer::duplex(one_at_a_time());
    let (outbound, recorder) = limited();
    let mut connect = HandshakeLayer::http2().layer(outbound.connector(peer));
    let sender = connect.call(server.uri("/")).await.unwrap();
    four(outbound.attempt_layer().layer(sender), &server).await;
    assert_eq!(recorder.outcomes(), ["ok"; 5]);
}

#[tokio::test(start_paused = true)]
async fn stream_wait_is_acquire_on_tonic_channel() {
    let (server, peer) = ScriptedServer::duplex(one_at_a_time());
    let (outbound, recorder) = limited();
    let channel = outbound.tonic(Endpoint::from_static("http://127.0.0.1")).connector(peer).connect_lazy();
    let client = tower::service_fn(move |request: Request<Body>| {
        channel.clone().oneshot(request.map(tonic::body::Body::new))
    });
    four(client, &server).await;
    assert_eq!(recorder.outcomes(), ["ok"; 5]);
}

/// Ten requests at once on two streams: h2 takes several before it writes their HEADERS.
#[tokio::test(start_paused = true)]
async fn stream_wait_ends_with_own_headers_if_many_wait() {
    let answers =
        (1..6).map(|pair| Script::new().sleep(ms(100)).write([ok(4 * pair - 1), ok(4 * pair + 1)].concat()));
    let first = Script::new().write(settings(2)).sleep(ms(10)).write(ok(1));
    let (server, peer) = ScriptedServer::duplex(answers.fold(first, Script::then).hang());
    let (outbound, _) = limited();
    let client = driven(&outbound, peer);
    read(&client, get(&server)).await.unwrap();
    let timings = join_all((0..10).map(|_| read(&client, get(&server)))).await;
    for (number, timings) in timings.into_iter().enumerate() {
        let timings = timings.unwrap();
        assert_eq!(timings.phase(Phase::Wait), Some(ms(100)), "{number}");
        assert_eq!(timings.phase(Phase::Acquire), Some(ms(100 * (number as u64 / 2))), "{number}");
        assert_eq!(timings.usage().unwrap().number(), number as u64 + 2);
    }
}

#[tokio::test]
async fn stream_wait_is_acquire_on_outbound_client() {
    let gate = Gate::new();
    let held = gate.clone();
    let handler = move |request: Request<hyper::body::Incoming>| {
        let held = held.clone();
        async move {
            if request.uri().path() == "/held" {
                held.wait().await;
            }
            http::Response::new(Body::from("ok"))
        }
    };
    let server = H2Server::builder().max_concurrent_streams(1).start(handler).await.unwrap();
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).build();
    let client =
        outbound.client_builder().http2_only(true).pool(|pool| pool.max_connections_per_origin(1)).build();
    let request = |path| Request::get(server.uri(path)).body(Body::default()).unwrap();
    read(&client, request("/")).await.unwrap();
    let first = tokio::spawn(client.request(request("/held")));
    recorder.wait_until(|recorder| recorder.gauges() == (1, 0)).await;
    let second = request("/").timeouts(Timeouts::new().attempt(ms(50)));
    let failure = read(&client, second).await.unwrap_err().failure().clone();
    assert_eq!(failure.phase(), Some(Phase::Acquire));
    // The pool has the request, and h2 does not: nothing of it is ever written. A retry would wait in the same queue.
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in acquire"]);
    gate.open();
    first.await.unwrap().unwrap();
}
