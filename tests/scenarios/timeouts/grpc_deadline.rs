//! The deadline of a gRPC call bounds its attempts, retries and waits.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use outbound_tests::server::Script;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tower::service_fn;
use tower_outbound::Kind;

use super::*;

fn call(timeout: &str) -> Request<tonic::body::Body> {
    let request =
        Request::post("http://peer.test/test.Echo/Unary").header("content-type", "application/grpc");
    request.header("grpc-timeout", timeout).body(tonic::body::Body::empty()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn grpc_deadline_ends_call_on_hanging_connect() {
    // The connect timeout, the deadline, and which of the two ends the call: two connects have 1.5 timeouts.
    for (connect, deadline, took, attempts, code) in [
        (150, "500m", 225, 2, Code::Unavailable),
        (60, "500m", 90, 2, Code::Unavailable),
        (150, "200m", 200, 2, Code::Cancelled),
        (10_000, "200m", 200, 1, Code::Cancelled),
    ] {
        let (_server, peer) = ScriptedServer::duplex(Script::new().read_to_end());
        let recorder = Recorder::new();
        let outbound = Outbound::builder().observer(recorder.clone());
        let outbound = outbound.retry(|retry| retry.backoff(Duration::ZERO, Duration::ZERO)).build();
        let endpoint = Endpoint::from_static("http://peer.test").connect_timeout(ms(connect));
        let channel = outbound.tonic(endpoint).connector(peer.delay(HOUR)).connect_lazy();
        let start = Instant::now();
        let error = channel.oneshot(call(deadline)).await.map(drop).unwrap_err();
        assert_eq!(
            (start.elapsed(), recorder.outcomes().len()),
            (ms(took), attempts),
            "{:?}",
            recorder.outcomes()
        );
        let deadline = error.failure().kind() == Kind::DeadlineExceeded;
        assert_eq!(deadline, code == Code::Cancelled, "{error:?}");
        // As tonic alone.
        assert_eq!(Status::from_error(error.into()).code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_deadline_counts_from_first_attempt_and_is_sent() {
    for hangs in [false, true] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sent = seen.clone();
        let server = service_fn(move |request: Request<_>| {
            let _: &ObserveRequestBody<tower_outbound::retry::LeasedBody<Upload>> = request.body();
            let mut sent = sent.lock().unwrap();
            sent.push(timeout_of(request.headers()));
            let wait = if hangs && sent.len() == 2 { HOUR } else { ms(30) };
            async move {
                tokio::time::sleep(wait).await;
                Ok::<_, BoxError>(Status::unavailable("busy").into_http::<Empty<Bytes>>())
            }
        });
        let outbound = Outbound::builder().retry(|retry| retry.grpc().max_retries(99).seed(7)).build();
        let start = Instant::now();
        let request = call("200m").map(|_| nothing());
        let result = outbound.layer().layer(server).oneshot(request).await;
        assert!(start.elapsed() <= ms(200), "{:?}", start.elapsed());
        let seen = seen.lock().unwrap().clone();
        assert!(seen.len() > 1 && seen[0] == ms(200), "{seen:?}");
        assert!(seen.is_sorted_by(|one, two| *one >= *two + ms(30)), "each has what is left: {seen:?}");
        assert!(!hangs || result.is_err());
        if let Err(error) = result {
            assert_eq!((start.elapsed(), error.failure().kind()), (ms(200), Kind::DeadlineExceeded));
        }
    }
}

/// tonic's client writes micro- and nanoseconds, too.
fn timeout_of(headers: &HeaderMap) -> Duration {
    let value = headers["grpc-timeout"].to_str().unwrap();
    let (amount, unit) = value.split_at(value.len() - 1);
    let amount = amount.parse().unwrap();
    match unit {
        "n" => Duration::from_nanos(amount),
        "u" => Duration::from_micros(amount),
        "m" => Duration::from_millis(amount),
        _ => panic!("{value}"),
    }
}
