//! The caller cancels at any poll: everything that was started ends once.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use outbound_tests::server::{Script, ScriptedServer};

use super::counted_client::{CountedClient, LiveCount};
use super::*;

/// Polls the future `polls` times, also without a wake, and then drops it. `None` if the future was not ready.
async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let (mut future, mut remaining) = (Box::pin(future), polls);
    let mut clock = tokio::time::interval(Duration::from_micros(400));
    poll_fn(|cx| {
        if remaining == 0 {
            return Poll::Ready(None);
        }
        remaining -= 1;
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

/// Cancels a call after this number of polls. Returns its events, and whether it had a response before.
async fn cancelled_at(polls: usize) -> (Vec<String>, bool) {
    let (fixture, alive) = (Fixture::new(), LiveCount::default());
    let (server, connector) = ScriptedServer::duplex(script());
    let connector = connector.delay(Duration::from_millis(1));
    let layer = fixture
        .layer()
        .status([StatusCode::SERVICE_UNAVAILABLE])
        .backoff(Duration::from_millis(9), Duration::from_millis(9))
        .seed(1);
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build(fixture.outbound.connector(connector));
    let client = layer.layer(CountedClient::new(fixture.outbound.attempt_layer().layer(client), &alive));
    let answered = polled(client.oneshot(post(server.uri("/"), upload("hello"))), polls).await;
    let events = fixture.events();
    let answered = answered.map(|answer| assert_eq!(answer.unwrap().status(), 200)).is_some();
    assert_eq!(alive.count(), 0, "{events:?}");
    fixture.recorder.settled().await;
    let calls = i64::from(events.iter().any(|line| line == "call"));
    assert_eq!((fixture.recorder.count("CallStarted"), fixture.recorder.count("CallEnded")), (calls, calls));
    (events, answered)
}

#[tokio::test(start_paused = true)]
async fn retry_cancel_at_any_poll_ends_everything_once() {
    let mut places = BTreeSet::new();
    for polls in 0.. {
        let (events, answered) = cancelled_at(polls).await;
        if answered {
            break;
        }
        assert!(polls < 1000, "{events:?}");
        if let [.., before, last] = events.as_slice() {
            places.insert(format!("{last} after {before}"));
        }
    }
    // Each state: attempt, draining, waiting, attempt. Readying emits no event.
    let expected = [
        "call cancelled in acquire after attempt 0",
        "call cancelled in wait after attempt 0",
        "call cancelled in head after attempt 0",
        "call cancelled in backoff after retry status",
        "call cancelled in backoff after backoff ended",
        "call cancelled in wait after attempt 1",
        "call cancelled in head after attempt 1",
    ];
    assert_eq!(places, expected.map(String::from).into());
}
