//! What a call that its deadline has cut says: the phase, and how the time was spent.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::StatusCode;
use http_body_util::Full;
use outbound_tests::server::Script;
use tower::Service;
use tower_outbound::deadline::{DeadlineElapsed, TimeSplit};
use tower_outbound::pool::Pool;
use tower_outbound::{Deadline, Kind, Phase, RequestExt as _};

use super::*;

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";

#[track_caller]
fn elapsed(error: &Error) -> &DeadlineElapsed {
    assert_eq!(error.failure().kind(), Kind::DeadlineExceeded);
    let elapsed: &DeadlineElapsed = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(elapsed.phase(), error.failure().phase());
    let spent: Duration = ALL.iter().map(|phase| elapsed.spent(*phase)).sum();
    assert_eq!(spent, elapsed.total(), "{elapsed}");
    elapsed
}

const ALL: [Phase; 11] = [
    Phase::Queue,
    Phase::Acquire,
    Phase::Dns,
    Phase::Tcp,
    Phase::Tunnel,
    Phase::Tls,
    Phase::Send,
    Phase::Wait,
    Phase::Head,
    Phase::Body,
    Phase::Backoff,
];

#[tokio::test(start_paused = true)]
async fn deadline_elapsed_splits_time_of_one_attempt() {
    let script = Script::new().read_request().sleep(ms(150)).write(HALF).hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer.delay(ms(50))), false);
    let (error, took) = fail(&client, get(&server).deadline(Deadline::after(ms(300)))).await;
    let elapsed = elapsed(&error);
    assert_eq!((elapsed.phase(), elapsed.total(), took), (Some(Phase::Body), ms(300), ms(300)));
    let split = [Phase::Acquire, Phase::Wait, Phase::Body].map(|phase| elapsed.spent(phase));
    assert_eq!(split, [ms(50), ms(150), ms(100)]);
    assert_eq!(elapsed.attempts().len(), 1);
    assert_eq!(
        elapsed.to_string(),
        "the deadline passed in body, after 300.0 ms: acquire 50.0 wait 150.0 body 100.0"
    );
    assert_eq!(recorder.count("DeadlineElapsed"), 1);
}

#[tokio::test(start_paused = true)]
async fn deadline_elapsed_splits_time_of_each_attempt() {
    for (last, phase) in [("", Phase::Wait), (HALF, Phase::Body)] {
        let script =
            Script::new().read_request().sleep(ms(400)).write(BUSY).read_request().write(last).hang();
        let (server, peer) = ScriptedServer::duplex(script);
        let recorder = Recorder::new();
        let outbound = Outbound::builder().observer(recorder.clone());
        let outbound = outbound.retry(|retry| retry.status([StatusCode::SERVICE_UNAVAILABLE])).build();
        let client = outbound.layer().layer(Pool::builder().build(outbound.connector(peer)));
        let request = get(&server).deadline(Deadline::after(2 * SECOND));
        let error = match client.oneshot(request).await {
            Ok(response) => response.into_body().collect().await.map(drop).unwrap_err(),
            Err(error) => error,
        };
        let elapsed = elapsed(&error);
        assert_eq!((elapsed.phase(), elapsed.total()), (Some(phase), 2 * SECOND));
        let attempts: Vec<_> = elapsed.attempts().iter().map(TimeSplit::total).collect();
        assert_eq!(attempts, [ms(400), ms(600)]);
        assert_eq!((elapsed.spent(Phase::Backoff), elapsed.attempts()[1].phase(phase)), (SECOND, ms(600)));
        let expected = match phase {
            Phase::Wait => {
                "the deadline passed in wait, after 2000.0 ms and 2 attempts: wait 1000.0 backoff 1000.0 \
                 (attempt 1: wait 400.0; attempt 2: wait 600.0)"
            }
            _ => {
                "the deadline passed in body, after 2000.0 ms and 2 attempts: wait 400.0 body 600.0 backoff 1000.0 \
                 (attempt 1: wait 400.0; attempt 2: body 600.0)"
            }
        };
        assert_eq!((elapsed.to_string().as_str(), recorder.count("DeadlineElapsed")), (expected, 1));
    }
}

/// Answers 503 once, and is never ready again.
#[derive(Clone, Default)]
struct ReadyOnce(bool);

impl<B> Service<Request<B>> for ReadyOnce {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.0 { pending().boxed().poll_unpin(cx) } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        self.0 = true;
        let response = Response::builder().status(503).header("retry-after", "1");
        ready(Ok(response.body(Full::default()).unwrap()))
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_between_attempts_strikes_in_backoff() {
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).timeouts(Timeouts::new().call(2 * SECOND));
    let outbound = outbound.retry(|retry| retry.status([StatusCode::SERVICE_UNAVAILABLE])).build();
    let start = Instant::now();
    let request = secret::request(&"http://peer.test/".parse().unwrap(), nothing());
    let sent = outbound.layer().layer(ReadyOnce::default()).oneshot(request);
    let error =
        tokio::time::timeout(HOUR, sent).await.expect("the deadline ends the call").map(drop).unwrap_err();
    assert_eq!((start.elapsed(), error.history().len()), (2 * SECOND, 1));
    let elapsed = elapsed(&error);
    assert_eq!((elapsed.phase(), elapsed.spent(Phase::Backoff)), (Some(Phase::Backoff), 2 * SECOND));
    assert_eq!(recorder.count("DeadlineElapsed"), 1);
    recorder.settled().await;
}

/// The wait that a response asks for fits before the deadline, and what is left of the response comes too slowly.
#[tokio::test(start_paused = true)]
async fn backoff_after_slow_drain_ends_before_deadline() {
    let head = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\n";
    let script = Script::new().read_request().write(head).hang();
    let (server, peer) = ScriptedServer::duplex([script, Script::answering(ANSWER)]);
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone());
    let outbound = outbound.retry(|retry| retry.status([StatusCode::SERVICE_UNAVAILABLE])).build();
    let client = outbound.layer().layer(Pool::builder().build(outbound.connector(peer)));
    let start = Instant::now();
    let request = get(&server).deadline(Deadline::after(ms(1020)));
    let error = client.oneshot(request).await.map(drop).unwrap_err();
    assert_eq!((start.elapsed(), error.history().len(), server.requests()), (ms(1020), 1, 1));
    assert_eq!(elapsed(&error).phase(), Some(Phase::Backoff));
}

/// Something above ends the call by the same deadline, or the caller drops the response after it.
#[tokio::test(start_paused = true)]
async fn attempt_dropped_after_deadline_is_not_cancelled() {
    for (script, phase) in [
        (Script::new().read_request().hang(), Phase::Wait),
        (Script::new().read_request().write(HALF).hang(), Phase::Body),
    ] {
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(Timeouts::new());
        let client = stack(&outbound, outbound.connector(peer), false);
        let request = get(&server).deadline(Deadline::after(ms(300)));
        let mut sent = Box::pin(send(&client, request));
        let answer = tokio::time::timeout(ms(100), &mut sent).await;
        tokio::time::advance(ms(300)).await;
        drop((sent, answer));
        assert_eq!(recorder.outcomes(), [format!("deadline_exceeded in {phase}")]);
        assert_eq!(recorder.count("DeadlineElapsed"), 1);
    }
}
