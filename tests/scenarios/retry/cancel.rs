//! The caller leaves at any poll: what was begun has its end, once.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use outbound_tests::server::{Script, ScriptedServer};

use super::alive::{Alive, Watched};
use super::*;

/// Drops the future at its poll number `polls`, some of which nobody has asked for; `None` if it was not ready before.
async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let (mut future, mut left) = (Box::pin(future), polls);
    let mut clock = tokio::time::interval(Duration::from_micros(400));
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        while clock.poll_tick(cx).is_ready() {}
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

fn script() -> Script {
    let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\n";
    let moment = Duration::from_millis(1);
    let answer = |script: Script, head: &'static str, body: &'static str| {
        let (half, rest) = head.split_at(9);
        script.read_request().sleep(moment).write(half).sleep(moment).write(rest).sleep(moment).write(body)
    };
    answer(answer(Script::new(), busy, "busy"), OK, "").hang()
}

/// Cancels a call at this poll. Says what was told of it, and whether it was answered before.
async fn cancelled_at(polls: usize) -> (Vec<String>, bool) {
    let (bench, alive) = (Bench::new(), Alive::default());
    let (server, connector) = ScriptedServer::duplex(script());
    let connector = connector.delay(Duration::from_millis(1));
    let layer = bench
        .layer()
        .status([StatusCode::SERVICE_UNAVAILABLE])
        .backoff(Duration::from_millis(9), Duration::from_millis(9))
        .seed(1);
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build(bench.outbound.connector(connector));
    let client = layer.layer(Watched::new(bench.outbound.attempt_layer().layer(client), &alive));
    let answered = polled(client.oneshot(post(server.uri("/"), upload("hello"))), polls).await;
    let told = bench.told();
    let answered = answered.map(|answer| assert_eq!(answer.unwrap().status(), 200)).is_some();
    assert_eq!(alive.count(), 0, "{told:?}");
    bench.recorder.settled().await;
    let calls = i64::from(told.iter().any(|line| line == "call"));
    assert_eq!((bench.recorder.count("CallStarted"), bench.recorder.count("CallEnded")), (calls, calls));
    (told, answered)
}

#[tokio::test(start_paused = true)]
async fn retry_cancel_at_any_poll_ends_everything_once() {
    let mut places = BTreeSet::new();
    for polls in 0.. {
        let (told, answered) = cancelled_at(polls).await;
        if answered {
            break;
        }
        assert!(polls < 1000, "{told:?}");
        if let [.., before, last] = told.as_slice() {
            places.insert(format!("{last} after {before}"));
        }
    }
    // In each state: attempt, release, wait (and ready, which tells nothing), attempt.
    let expected = [
        "call cancelled in acquire after attempt 0",
        "call cancelled in wait after attempt 0",
        "call cancelled in head after attempt 0",
        "call cancelled in backoff after retry status",
        "call cancelled in backoff after backoff over",
        "call cancelled in wait after attempt 1",
        "call cancelled in head after attempt 1",
    ];
    assert_eq!(places, expected.map(String::from).into());
}
