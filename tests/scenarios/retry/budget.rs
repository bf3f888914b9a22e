//! The bounds of retries: budgets, counts, deadline, `Retry-After`, body.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use outbound_tests::server::{DuplexIo, Script, ScriptedServer};
use tokio::time::Instant;
use tower::Service;
use tower_outbound::Call;
use tower_outbound::retry::RetryBudget;

use super::*;

type Refused = std::future::Ready<io::Result<DuplexIo>>;

/// A connector that refuses and counts every connect.
#[derive(Clone, Default)]
struct Refusing(Arc<AtomicUsize>);

impl Service<http::Uri> for Refusing {
    type Response = DuplexIo;
    type Error = io::Error;
    type Future = Refused;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Refused {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err(ErrorKind::ConnectionRefused.into()))
    }
}

#[tokio::test(start_paused = true)]
async fn retry_budget_bounds_1000_clients_on_dead_server() {
    const CLIENTS: u64 = 1000;
    const SECONDS: u64 = 10;
    for (think, calls_a_second) in [(1, 1000), (100, 10)] {
        let connector = Refusing::default();
        let connects = connector.0.clone();
        let outbound = Outbound::new();
        let layer = outbound.retry_layer();
        let client = stack_on(&outbound, outbound.connector(connector), &layer, false);
        let (start, calls) = (Instant::now(), AtomicUsize::new(0));
        let callers = (0..CLIENTS).map(|caller| {
            let (client, calls) = (&client, &calls);
            async move {
                // Spread over time, so that each second has its share of the calls.
                tokio::time::sleep(Duration::from_millis(caller * think)).await;
                while start.elapsed() < Duration::from_secs(SECONDS) {
                    calls.fetch_add(1, Ordering::Relaxed);
                    let called = Instant::now();
                    send(client, get("http://peer.test/".parse().unwrap())).await.map(drop).unwrap_err();
                    let think = Duration::from_millis(CLIENTS * think);
                    tokio::time::sleep_until(called + think).await;
                }
            }
        });
        futures_util::future::join_all(callers).await;
        let (calls, connects) = (calls.load(Ordering::Relaxed), connects.load(Ordering::Relaxed));
        let retries = connects - calls;
        println!(
            "{CLIENTS} clients, {SECONDS} s, a dead server: {calls} calls, {connects} connects, {retries} of them retries"
        );
        let seconds = usize::try_from(SECONDS).unwrap();
        assert!(
            (calls_a_second * seconds - 10..=calls_a_second * seconds + 1000).contains(&calls),
            "{calls}"
        );
        // The ten of the first second are available at once.
        let allowed = (calls / 5).max(10 * seconds) + 10;
        assert!(retries <= allowed, "{retries} of {allowed}");
        assert!(retries >= allowed * 8 / 10, "the budget was not used up: {retries} of {allowed}");
    }
}

/// The last retry decision after `calls` failed calls to a dead server.
async fn after_refused_connects(calls: usize, layer: impl FnOnce(RetryLayer) -> RetryLayer) -> String {
    let fixture = Fixture::new();
    let layer = layer(fixture.layer().backoff(Duration::ZERO, Duration::ZERO));
    let client = fixture.stack(fixture.outbound.connector(Refusing::default()), &layer);
    for _ in 0..calls {
        send(&client, get("http://peer.test/".parse().unwrap())).await.map(drop).unwrap_err();
    }
    last_decision(&fixture)
}

/// The last retry decision of a call that gets this response.
async fn after_response(
    response: &str,
    request: Request<RequestBody>,
    options: impl FnOnce(RetryLayer) -> RetryLayer,
) -> String {
    let fixture = Fixture::new();
    let (_server, connector) = ScriptedServer::duplex(Script::answering(response.to_owned()));
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let layer = options(layer.backoff(Duration::ZERO, Duration::ZERO));
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    fetch(&client, request).await.unwrap();
    last_decision(&fixture)
}

fn last_decision(fixture: &Fixture) -> String {
    fixture.events().into_iter().rfind(|line| line.contains("retry")).unwrap()
}

fn any_request() -> Request<RequestBody> {
    get("http://peer.test/".parse().unwrap())
}

fn busy_with_retry_after(after: &str) -> String {
    format!("HTTP/1.1 503 Busy\r\nretry-after: {after}\r\ncontent-length: 0\r\n\r\n")
}

const EMPTY: RetryBudget = RetryBudget::new().share(0.0).per_second(0);

#[tokio::test(start_paused = true)]
async fn retry_stops_with_attempts_when_retries_used_up() {
    assert_eq!(after_refused_connects(1, |layer| layer).await, "no retry connect: attempts");
    assert_eq!(after_response(BUSY, any_request(), |layer| layer).await, "no retry status: attempts");
}

#[tokio::test(start_paused = true)]
async fn retry_stops_with_connect_budget_separate_from_budget() {
    // The budget allows ten retries at once.
    assert_eq!(after_refused_connects(6, |layer| layer).await, "no retry connect: connect_budget");
    assert_eq!(after_refused_connects(5, |layer| layer).await, "no retry connect: attempts");
    assert_eq!(
        after_refused_connects(1, |layer| layer.connect_budget(EMPTY)).await,
        "no retry connect: connect_budget"
    );
    assert_eq!(after_refused_connects(1, |layer| layer.budget(EMPTY)).await, "no retry connect: attempts");
}

#[tokio::test(start_paused = true)]
async fn retry_stops_with_budget_when_budget_used_up() {
    assert_eq!(
        after_response(BUSY, any_request(), |layer| layer.budget(EMPTY)).await,
        "no retry status: budget"
    );
    assert_eq!(
        after_response(BUSY, any_request(), |layer| layer.connect_budget(EMPTY)).await,
        "no retry status: attempts"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_stops_with_deadline_if_wait_exceeds_deadline() {
    let mut request = any_request();
    let deadline = Instant::now() + Duration::from_secs(5);
    request.extensions_mut().insert(Call::new().with_deadline(deadline));
    assert_eq!(
        after_response(&busy_with_retry_after("5"), request, |layer| layer).await,
        "no retry status: deadline"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_stops_with_retry_after_beyond_longest_wait() {
    let four_seconds = |layer: RetryLayer| layer.longest_wait(Duration::from_secs(4));
    assert_eq!(
        after_response(&busy_with_retry_after("5"), any_request(), four_seconds).await,
        "no retry status: retry_after"
    );
    assert_eq!(
        after_response(&busy_with_retry_after("99999999999999999999"), any_request(), |layer| layer).await,
        "no retry status: retry_after"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_stops_with_body_if_body_not_kept() {
    let request = post("http://peer.test/".parse().unwrap(), upload("hello"));
    assert_eq!(after_response(BUSY, request, |layer| layer.replay_up_to(4)).await, "no retry status: body");
}
