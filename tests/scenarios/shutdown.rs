//! A shutdown waits for what is in flight, and no longer than its limit.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::pool::Pool;
use tower_outbound::{Error, Outbound};

use crate::support::{Body, recorded, stack};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LIMIT: Duration = Duration::from_secs(10);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One connection is idle. The other one is busy for 100 ms, or for ever.
async fn shuts_down<S, B>(
    client: S,
    outbound: Outbound,
    server: ScriptedServer,
    recorder: Recorder,
    left: usize,
) where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Error> + Clone + 'static,
    S::Future: 'static,
    B: http_body::Body<Error = Error> + 'static,
{
    let get = || client.clone().oneshot(Request::get(server.uri("/")).body(Body::default()).unwrap());
    let busy = async { get().await.unwrap().into_body().collect().await.map(drop) };
    let others = async {
        server.wait_until(|log| log.iter().any(|connection| !connection.raw.is_empty())).await;
        get().await.unwrap().into_body().collect().await.unwrap();
        let start = Instant::now();
        let open = outbound.shutdown(LIMIT).await;
        assert_eq!(open.len(), left);
        start.elapsed()
    };
    let took = match left {
        0 => tokio::join!(busy, others).1,
        _ => tokio::select! {
            _ = busy => panic!("it is never answered"),
            took = others => took,
        },
    };
    assert_eq!(recorder.close_reasons(), vec!["reset"; 2 - left]);
    match left {
        0 => assert!(took >= ms(90) && took < ms(200), "{took:?}"),
        _ => assert_eq!(took, LIMIT),
    }
}

fn peer(left: usize) -> (ScriptedServer, DuplexConnector) {
    let busy = Script::new().read_request();
    let busy = if left == 0 { busy.sleep(ms(100)).write(OK) } else { busy };
    ScriptedServer::duplex([busy.read_to_end(), Script::answering(OK)])
}

#[tokio::test(start_paused = true)]
async fn shutdown_of_pool_waits_for_what_is_in_flight() {
    for left in [0, 1] {
        let ((server, peer), (outbound, recorder)) = (peer(left), recorded());
        let pool = Pool::builder().build(outbound.connector(peer));
        shuts_down(outbound.attempt_layer().layer(pool), outbound, server, recorder, left).await;
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_of_hyper_util_waits_for_what_is_in_flight() {
    for left in [0, 1] {
        let ((server, peer), (outbound, recorder)) = (peer(left), recorded());
        let client = stack(&outbound, outbound.connector(peer));
        shuts_down(client, outbound, server, recorder, left).await;
    }
}

/// The pool alone, without an `Outbound`.
#[tokio::test]
async fn shutdown_of_pool_alone_keeps_no_later_connection() {
    let gate = Gate::new();
    let held = Script::new().read_request().wait(&gate).write(OK).read_to_end();
    let server = ScriptedServer::tcp([held, Script::answering(OK)]).await.unwrap();
    let (outbound, recorder) = recorded();
    let pool = Pool::builder().build(outbound.connector(outbound.http_connector()));
    let get = || pool.clone().oneshot(Request::get(server.uri("/")).body(Body::default()).unwrap());
    let busy = async { get().await.unwrap().into_body().collect().await.unwrap() };
    let others = async {
        server.wait_until(|log| log.iter().any(|connection| !connection.raw.is_empty())).await;
        assert_eq!(pool.shutdown(Duration::ZERO).await, 1);
        get().await.unwrap().into_body().collect().await.unwrap();
        gate.open();
        assert_eq!(pool.shutdown(LIMIT).await, 0);
    };
    tokio::join!(busy, others);
    let mut reasons = recorder.close_reasons();
    reasons.sort();
    assert_eq!(reasons, ["dropped", "reset"]);
}
