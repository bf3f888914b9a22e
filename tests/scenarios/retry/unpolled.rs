//! Futures that are made now and polled later.

use std::time::Duration;

use outbound_tests::server::{Script, ScriptedServer};
use tower::Service as _;
use tower_outbound::retry::RetryOptions;
use tower_outbound::{Phase, Timings};

use super::*;

const WORK: Duration = Duration::from_secs(1);

fn uri() -> http::Uri {
    "http://example.test/".parse().unwrap()
}

/// Five requests to a peer that needs a second for each, made at once and awaited in turn.
async fn five_in_turn(options: RetryOptions) -> Recorder {
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).max_in_flight_per_origin(1).build();
    let script = Script::new().read_request().sleep(WORK).write(OK).repeat();
    let (_server, peer) = ScriptedServer::duplex(script);
    let mut client = stack_on(&outbound, outbound.connector(peer), &outbound.retry_layer(), false);
    let futures: Vec<_> = (0..5)
        .map(|_| {
            let mut request = get(uri());
            request.extensions_mut().insert(options.clone());
            client.call(request)
        })
        .collect();
    for future in futures {
        future.await.unwrap().into_body().collect().await.unwrap();
    }
    drop(client);
    recorder.settled().await;
    recorder
}

#[tokio::test(start_paused = true)]
async fn futures_awaited_in_turn_are_active_one_at_a_time() {
    for options in [RetryOptions::new(), RetryOptions::off()] {
        let recorder = five_in_turn(options.clone()).await;
        let names = recorder.names();
        let borders: Vec<_> =
            names.iter().map(String::as_str).filter(|name| name.starts_with("Attempt")).collect();
        let borders: Vec<_> =
            borders.into_iter().filter(|name| name.ends_with("Started") || name.ends_with("Ended")).collect();
        assert_eq!(borders, ["AttemptStarted", "AttemptEnded"].repeat(5), "{options:?}");
        let timings = recorder.timings();
        let sum: Duration = timings.iter().filter_map(Timings::total).sum();
        assert!(sum >= 5 * WORK && sum < 5 * WORK + WORK / 10, "{options:?}: {sum:?}");
        for phase in [Phase::Queue, Phase::Acquire] {
            let waited: Duration = timings.iter().filter_map(|timings| timings.phase(phase)).sum();
            assert!(waited < WORK / 10, "{options:?}: {phase} {waited:?}");
        }
        assert_eq!(recorder.slots().most, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn future_dropped_unpolled_has_call_and_no_attempt() {
    for options in [RetryOptions::new(), RetryOptions::off()] {
        let fixture = Fixture::new();
        let (server, peer) = ScriptedServer::duplex(Script::answering(OK));
        let mut client = fixture.stack(fixture.outbound.connector(peer), &fixture.layer());
        let mut request = get(uri());
        request.extensions_mut().insert(options);
        drop(client.call(request));
        assert_eq!(fixture.events(), ["call", "call cancelled in acquire"]);
        assert_eq!((fixture.recorder.count("AttemptStarted"), server.accepted()), (0, 0));
        fixture.recorder.settled().await;
    }
}

/// A client whose clones are not ready, and which must be ready to be called.
struct Reserved(bool);

impl Clone for Reserved {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl<B> tower::Service<Request<B>> for Reserved {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        self.0 = true;
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.0), "called without being ready");
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn retry_first_attempt_calls_client_that_was_ready() {
    for options in [RetryOptions::new(), RetryOptions::off()] {
        let mut client = Outbound::new().layer().layer(Reserved(false));
        let mut futures = Vec::new();
        for _ in 0..3 {
            let mut request = get(uri());
            request.extensions_mut().insert(options.clone());
            let ready = tower::ServiceExt::<Request<RequestBody>>::ready(&mut client).await.unwrap();
            futures.push(ready.call(request));
        }
        for future in futures {
            future.await.unwrap();
        }
    }
}
