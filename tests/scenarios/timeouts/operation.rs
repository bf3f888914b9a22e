//! HTTP calls as the steps of an operation.

use outbound_tests::server::Script;
use tower_outbound::operation::{OperationOutcome, StepOutcome, StepReport};
use tower_outbound::{Deadline, Failure, Kind};

use super::*;

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";

/// Wherever the call is, and no call follows.
#[tokio::test(start_paused = true)]
async fn operation_cuts_call_of_step_at_deadline() {
    for (stalling, phase) in [
        (Script::new().read_request().write(ANSWER).read_request().hang(), "wait"),
        (Script::new().read_request().write(ANSWER).read_request().sleep(ms(200)).write(HALF).hang(), "body"),
    ] {
        let (server, peer) = ScriptedServer::duplex(stalling);
        let (outbound, recorder) = with(Timeouts::new());
        let client = stack(&outbound, outbound.connector(peer), false);
        let calls = outbound.operation("three calls").step("user").step("cart").step("order");
        let operation = calls.start(Deadline::after(SECOND));
        let call = async || match send(&client, get(&server)).await {
            Ok(response) => response.into_body().collect().await.map(drop),
            Err(error) => Err(error),
        };
        operation.step("user", call()).await.unwrap();
        let start = Instant::now();
        let error = operation.step("cart", call()).await.unwrap_err();
        assert_eq!((Failure::of(&error).kind(), start.elapsed()), (Kind::DeadlineExceeded, SECOND));
        operation.step("order", call()).await.unwrap_err();

        let report = operation.finish();
        assert_eq!((report.outcome(), report.total()), (OperationOutcome::TimedOut, SECOND));
        let outcomes: Vec<_> = report.steps().iter().map(StepReport::outcome).collect();
        assert_eq!(outcomes, [StepOutcome::Ok, StepOutcome::TimedOut, StepOutcome::NotReached]);
        // Not `cancelled`, although the step drops the call.
        assert_eq!(recorder.outcomes(), ["ok".to_owned(), format!("deadline_exceeded in {phase}")]);
        assert_eq!(server.requests(), 2);
        drop((client, outbound, error, server));
        nothing_left(&recorder).await;
    }
}

/// Dropped before the limit, it is the caller's cancellation.
#[tokio::test(start_paused = true)]
async fn operation_dropped_cancels_call_of_running_step() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer), false);
    let operation = outbound.operation("call").step("user").start(Deadline::after(SECOND));
    let call = operation.step("user", send(&client, get(&server)));
    assert!(tokio::time::timeout(ms(500), call).await.is_err());
    drop(operation);
    assert_eq!(recorder.outcomes(), ["cancelled in wait"]);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}
