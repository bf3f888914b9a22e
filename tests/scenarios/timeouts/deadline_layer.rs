//! `DeadlineLayer`: deadlines for clients without the layers of an `Outbound`, and around those.

use std::convert::Infallible;

use http_body_util::Full;
use outbound_tests::server::Script;
use tower::ServiceExt as _;
use tower_outbound::deadline::{DeadlineElapsed, DeadlineLayer};
use tower_outbound::{Deadline, Kind, Phase, RequestExt as _, SendState};

use super::*;

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";

#[track_caller]
fn line(error: &Error) -> String {
    assert_eq!(error.failure().kind(), Kind::DeadlineExceeded);
    let elapsed: &DeadlineElapsed = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(elapsed.phase(), error.failure().phase());
    elapsed.to_string()
}

/// Nothing observes the client's attempts.
#[tokio::test(start_paused = true)]
async fn deadline_layer_cuts_plain_client_in_head_and_body() {
    for (script, phase, expected) in [
        (Script::new().read_request().read_to_end(), None, "the deadline passed, after 302.0 ms"),
        (
            Script::new().read_request().write(HALF).read_to_end(),
            Some(Phase::Body),
            "the deadline passed in body, after 302.0 ms",
        ),
    ] {
        let (server, peer) = ScriptedServer::duplex(script.clone());
        let client: Client<_, Upload> = Client::builder(TokioExecutor::new()).build(peer);
        let service = DeadlineLayer::new(ms(300)).layer(client);
        let start = Instant::now();
        let error = match service.oneshot(get(&server)).await {
            Ok(response) => response.into_body().collect().await.map(drop).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!((line(&error).as_str(), error.failure().phase()), (expected, phase));
        assert!(start.elapsed() <= ms(302), "{:?}", start.elapsed());
        // The connection is closed.
        server.wait_until(|log| log[0].ended.is_some()).await;
        drop((server, error));
        no_task_left().await;
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_layer_takes_earliest_deadline() {
    let start = Instant::now();
    let at = |ms: u64| Deadline::at(start + Duration::from_millis(ms));
    let seen = tower::service_fn(move |request: Request<()>| async move {
        let (in_request, in_scope) = (request.extensions().get::<Deadline>().copied(), Deadline::current());
        assert_eq!(in_request, in_scope);
        let left = in_scope.map(|deadline| deadline.instant() - start);
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert(left);
        Ok::<_, Infallible>(response)
    });
    for (layer, request, scope, expected) in [
        (300, None, None, Some(300)),
        (300, Some(200), None, Some(200)),
        (300, Some(400), Some(250), Some(250)),
        (300, Some(400), Some(500), Some(300)),
        (0, Some(400), None, Some(400)),
        (0, None, None, None),
    ] {
        let service = DeadlineLayer::new(ms(layer)).layer(seen);
        let mut sent = Request::new(());
        if let Some(request) = request {
            sent = sent.deadline(at(request));
        }
        let call = service.oneshot(sent);
        let response = match scope {
            Some(scope) => at(scope).scope(call).await,
            None => call.await,
        };
        let left = *response.unwrap().extensions().get::<Option<Duration>>().unwrap();
        assert_eq!(left, expected.map(ms), "{layer} {request:?} {scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_layer_past_deadline_calls_nothing() {
    let never = tower::service_fn(|_: Request<()>| async {
        panic!("the service is called");
        #[expect(unreachable_code, reason = "the type of the answer")]
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let request = Request::new(()).deadline(Deadline::at(Instant::now()));
    let error = DeadlineLayer::new(ms(300)).layer(never).oneshot(request).await.map(drop).unwrap_err();
    assert_eq!(line(&error), "the deadline had passed before the call began: nothing was sent");
    assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
}

/// The layers below know the phase.
#[tokio::test(start_paused = true)]
async fn deadline_layer_around_observed_client_leaves_cut_to_it() {
    for (script, expected) in [
        (Script::new().read_request().hang(), "the deadline passed in wait, after 300.0 ms: wait 300.0"),
        (
            Script::new().read_request().sleep(ms(100)).write(HALF).hang(),
            "the deadline passed in body, after 300.0 ms: wait 100.0 body 200.0",
        ),
    ] {
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(Timeouts::new());
        let client = stack(&outbound, outbound.connector(peer), false);
        let service = DeadlineLayer::new(ms(300)).layer(client);
        let error = match service.oneshot(get(&server)).await {
            Ok(response) => response.into_body().collect().await.map(drop).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(line(&error), expected);
        assert_eq!(recorder.count("DeadlineElapsed"), 1);
    }
}
