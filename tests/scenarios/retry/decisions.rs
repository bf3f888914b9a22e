//! Which results are retried, and which are returned to the caller.

use std::time::Duration;

use http::StatusCode;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower_outbound::event::StackWarning;
use tower_outbound::retry::{RetryHistory, RetryOptions, RetryReason, Verdict};
use tower_outbound::{Call, Kind};

use super::*;

fn refused() -> http::Uri {
    format!("http://{}/", closed_port().unwrap()).parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn retry_listed_status_returns_last_answer() {
    let fixture = Fixture::new();
    let script = Script::new().read_request().write(BUSY).repeat();
    let (server, connector) = ScriptedServer::duplex(script);
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let response = send(&client, post(server.uri("/"), upload("hello"))).await.unwrap();
    let history = response.extensions().get::<RetryHistory>().unwrap().clone();
    assert_eq!(response.status(), 503);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "busy");
    assert_eq!((server.requests(), server.accepted()), (3, 1), "one connection for all");
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!(history.iter().all(|attempt| attempt.reason() == RetryReason::Status));
    assert_eq!(
        fixture.events(),
        [
            "call",
            "attempt 0",
            "retry status",
            "released drained",
            "backoff",
            "backoff ended",
            "attempt 1",
            "retry status",
            "released drained",
            "backoff",
            "backoff ended",
            "attempt 2",
            "no retry status: attempts",
            "call ok",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn retry_by_default_never_retries_answer() {
    let fixture = Fixture::new();
    let (server, connector) = ScriptedServer::duplex(Script::answering(BUSY));
    let client = fixture.stack(fixture.outbound.connector(connector), &fixture.layer());
    assert_eq!(fetch(&client, get(server.uri("/"))).await.unwrap().0, 503);
    assert_eq!(fixture.events(), ["call", "attempt 0", "call ok"]);
}

#[tokio::test]
async fn retry_refused_connect_twice_then_returns_request() {
    let fixture = Fixture::new();
    let layer = fixture.layer().backoff(Duration::from_nanos(1), Duration::from_nanos(1));
    let client = fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &layer);
    let mut error = fetch(&client, post(refused(), upload("hello"))).await.unwrap_err();
    assert_eq!(error.failure().kind(), Kind::ConnectionRefused);
    assert_eq!(error.history().len(), 2);
    for attempt in error.history() {
        assert_eq!(attempt.reason(), RetryReason::Connect);
        assert_eq!(attempt.failure().unwrap().kind(), Kind::ConnectionRefused);
    }
    assert_eq!(error.attempt().unwrap().ordinal(), 2);
    let request = error.take_request::<RequestBody>().unwrap();
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert!(error.take_request::<RequestBody>().is_none(), "a second take gets nothing");
    assert_eq!(fixture.events().last().unwrap(), "call connection_refused");
    fixture.recorder.settled().await;
}

#[tokio::test]
async fn retry_connect_only_retries_once_and_option_turns_off() {
    let fixture = Fixture::new();
    let layer = fixture.outbound.retry_layer().connect_only();
    let client = fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &layer);
    let error = fetch(&client, get(refused())).await.unwrap_err();
    assert_eq!(error.history().len(), 1);

    let mut request = get(refused());
    request.extensions_mut().insert(RetryOptions::off());
    let mut error = fetch(&client, request).await.unwrap_err();
    assert_eq!(error.history().len(), 0);
    assert!(error.take_request::<RequestBody>().is_none(), "nothing was stored");
    fixture.recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn retry_after_beyond_deadline_or_maximum_returns_answer() {
    for (after, expected) in [("31", "no retry status: retry_after"), ("20", "no retry status: deadline")] {
        let fixture = Fixture::new();
        let answer = format!("HTTP/1.1 429 Too Many\r\nretry-after: {after}\r\ncontent-length: 0\r\n\r\n");
        let (server, connector) = ScriptedServer::duplex(Script::answering(answer));
        let layer = fixture.layer().status([StatusCode::TOO_MANY_REQUESTS]);
        let client = fixture.stack(fixture.outbound.connector(connector), &layer);
        let mut request = get(server.uri("/"));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        request.extensions_mut().insert(Call::new().with_deadline(deadline));
        let start = tokio::time::Instant::now();
        assert_eq!(fetch(&client, request).await.unwrap().0, 429);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(server.requests(), 1);
        assert_eq!(fixture.events()[2], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_user_policy_decides_within_maximum_retries() {
    let fixture = Fixture::new();
    let (server, connector) = ScriptedServer::duplex(Script::answering(OK));
    let layer = fixture.layer().max_retries(1).policy(|attempt: &tower_outbound::retry::RetryContext<'_>| {
        assert!(attempt.result().is_ok_and(|head| head.status == 200));
        Verdict::RetryAfter(Duration::from_secs(7))
    });
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let start = tokio::time::Instant::now();
    assert_eq!(fetch(&client, get(server.uri("/"))).await.unwrap().1, "ok");
    assert_eq!(start.elapsed(), Duration::from_secs(7));
    assert_eq!(server.requests(), 2);
    assert_eq!(fixture.events()[2], "retry policy");
}

/// A stack, and its warnings.
fn with_warnings() -> (Outbound, Arc<Mutex<Vec<StackWarning>>>) {
    let warnings = Arc::<Mutex<Vec<_>>>::default();
    let stored = warnings.clone();
    let observer = move |event: &Event<'_>| {
        if let Event::Misplaced { warning, .. } = event {
            stored.lock().unwrap().push(*warning);
        }
    };
    (Outbound::builder().observer(observer).build(), warnings)
}

#[tokio::test]
async fn stack_warning_two_retry_layers_reported_once() {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (outbound, warnings) = with_warnings();
    let twice = outbound.retry_layer().layer(outbound.client());
    for _ in 0..2 {
        let response = twice.clone().oneshot(get(server.uri("/"))).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    assert_eq!(*warnings.lock().unwrap(), [StackWarning::RetriedTwice]);
}

#[tokio::test]
async fn stack_warning_retry_below_observe_reported_once() {
    let (outbound, warnings) = with_warnings();
    let answer = |_| std::future::ready(Ok::<_, std::io::Error>(Response::new(upload("ok"))));
    let inside = outbound.attempt_layer().layer(outbound.retry_layer().layer(tower::service_fn(answer)));
    for _ in 0..2 {
        let response = inside.clone().oneshot(get("http://a.example/".parse().unwrap())).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let first = warnings.lock().unwrap().first().copied();
    assert_eq!(first, Some(StackWarning::RetryInsideObserve));
    let count = warnings.lock().unwrap().iter().filter(|warning| Some(**warning) == first).count();
    assert_eq!(count, 1);
}
