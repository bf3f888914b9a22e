//! How steps and operations end.

use std::error::Error as _;

use tokio::time::Instant;

use tower_outbound::operation::OperationOutcome;
use tower_outbound::operation::StepOutcome::{Cancelled, Failed, NotReached, Ok as Done, TimedOut};
use tower_outbound::{Failure, Kind};

use crate::*;

#[tokio::test(start_paused = true)]
async fn operation_cut_at_deadline_names_step_and_reaches_no_other() {
    let began = Instant::now();
    let operation = start(&mail());
    operation.step("login", after(ms(300))).await.unwrap();
    let error = operation.step("select", never()).await.unwrap_err();
    assert_eq!(began.elapsed(), LIMIT);
    assert!(error.is_timeout() && !error.is_not_reached());
    assert_eq!(error.to_string(), "the deadline passed in step select \"INBOX\"");
    assert_eq!(Failure::of(&error).kind(), Kind::DeadlineExceeded);

    let error = operation.step("select", unreachable()).await.unwrap_err();
    assert!(error.is_timeout() && error.is_not_reached());
    assert_eq!(error.to_string(), "the deadline had passed before step select");
    operation.step("logout", unreachable()).await.unwrap_err();
    assert_eq!(began.elapsed(), LIMIT, "at once");

    let report = operation.finish();
    assert_eq!((report.outcome(), report.total()), (OperationOutcome::TimedOut, LIMIT));
    assert_eq!(report.timed_out_in().unwrap().target(), Some("INBOX"));
    assert_eq!(outcomes(&report), [Done, TimedOut, NotReached, NotReached]);
    let durations: Vec<_> = report.steps().iter().map(StepReport::duration).collect();
    assert_eq!(durations, [Some(ms(300)), Some(ms(1700)), None, None]);
    assert_eq!(report.steps()[1].error_type().as_deref(), Some("deadline_exceeded"));
}

#[tokio::test(start_paused = true)]
async fn operation_deadline_between_steps_is_timed_out_in_none() {
    let operation = start(&mail());
    operation.step("login", after(ms(300))).await.unwrap();
    sleep(LIMIT).await;
    operation.step("select", unreachable()).await.unwrap_err();
    let report = operation.finish();
    assert_eq!(report.outcome(), OperationOutcome::TimedOut);
    assert!(report.timed_out_in().is_none());
}

#[tokio::test(start_paused = true)]
async fn operation_step_that_ends_at_deadline_keeps_its_result() {
    let operation = start(&mail());
    operation.step("login", after(LIMIT)).await.unwrap();
    let reset = async {
        sleep(LIMIT).await;
        Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionReset))
    };
    let other = start(&mail());
    let error = other.step("login", reset).await.unwrap_err();
    assert_eq!(Failure::of(&error).kind(), Kind::ConnectionReset);
    assert_eq!(outcomes(&other.finish())[0], Failed);
}

#[tokio::test(start_paused = true)]
async fn operation_failed_step_has_kind_of_its_error() {
    let operation = start(&mail());
    let error = operation.step("login", refused()).await.unwrap_err();
    assert_eq!(error.to_string(), "failed in step login");
    assert!(error.source().unwrap().is::<io::Error>());
    let report = operation.finish();
    assert_eq!(report.outcome(), OperationOutcome::Failed);
    assert_eq!(outcomes(&report), [Failed, NotReached, NotReached, NotReached]);
    assert_eq!(report.steps()[0].error_type().as_deref(), Some("connection_refused"));

    let operation = start(&mail());
    operation.step("login", async { Err::<(), _>("no such user") }).await.unwrap_err();
    assert_eq!(operation.finish().steps()[0].error_type().as_deref(), Some("_OTHER"));
}

#[tokio::test(start_paused = true)]
async fn operation_error_of_a_deadline_counts_as_timed_out() {
    let inner = start(&mail());
    let outer = start(&mail());
    let error = outer.step("login", inner.step("login", never())).await.unwrap_err();
    assert!(error.is_timeout() && error.source().is_some());
    assert_eq!(outcomes(&outer.finish())[0], TimedOut);
}

#[tokio::test(start_paused = true)]
async fn operation_best_effort_step_does_not_count() {
    for late in [true, false] {
        let operation = start(&mail());
        operation.step("login", after(ms(1))).await.unwrap();
        operation.step("select", after(ms(1))).await.unwrap();
        operation.step("select", after(ms(1))).await.unwrap();
        if late {
            operation.step("logout", never()).await.unwrap_err();
        } else {
            operation.step("logout", refused()).await.unwrap_err();
        }
        let report = operation.finish();
        assert_eq!(report.outcome(), OperationOutcome::Ok);
        assert!(report.timed_out_in().is_none());
        assert_eq!(outcomes(&report)[3], if late { TimedOut } else { Failed });
    }
}

#[tokio::test(start_paused = true)]
async fn operation_step_undeclared_or_run_already_is_refused() {
    let operation = start(&mail());
    operation.step("login", after(ms(1))).await.unwrap();
    for name in ["login", "examine"] {
        let error = operation.step(name, unreachable()).await.unwrap_err();
        assert!(error.is_not_reached() && !error.is_timeout());
        assert_eq!(error.to_string(), format!("not declared, or run already: step {name}"));
    }
    operation.step_on("select", "Trash", unreachable()).await.unwrap_err();
    operation.step_on("select", "Archive", after(ms(1))).await.unwrap();
    operation.step("select", refused()).await.unwrap_err();
    assert_eq!(outcomes(&operation.finish()), [Done, Failed, Done, NotReached]);
}

#[tokio::test(start_paused = true)]
async fn operation_steps_may_run_at_once() {
    let operation = start(&mail());
    operation.step("login", after(ms(1))).await.unwrap();
    let (inbox, archive) =
        tokio::join!(operation.step("select", after(ms(500))), operation.step("select", never()));
    assert!(inbox.is_ok() && archive.is_err());
    let report = operation.finish();
    assert_eq!(outcomes(&report), [Done, Done, TimedOut, NotReached]);
    assert_eq!(report.total(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn operation_is_scope_of_calls_and_only_shortens() {
    let now = Instant::now();
    let start_inside = || {
        let operation = start(&mail());
        async move {
            let current = async { Ok::<_, Infallible>(Deadline::current()) };
            (operation.deadline(), operation.step("login", current).await.unwrap())
        }
    };
    let own = Deadline::at(now + LIMIT);
    assert_eq!(start_inside().await, (own, Some(own)));
    let outer = Deadline::at(now + ms(50));
    assert_eq!(outer.scope(async { start_inside().await }).await, (outer, Some(outer)));
}

/// The clock runs: a task that never waits does not let a paused one go on.
#[tokio::test]
async fn operation_busy_step_is_cut_at_deadline() {
    let operation = mail().start(Deadline::after(ms(20)));
    // It uses up its task's budget at each poll, so that a timer of the same task stays pending.
    let busy = async {
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        let start = Instant::now();
        while start.elapsed() < ms(5000) {
            send.send(()).unwrap();
            receive.recv().await.unwrap();
        }
        Ok::<_, Infallible>(())
    };
    operation.step("login", busy).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn operation_finished_early_is_failed_and_dropped_is_cancelled() {
    let operation = start(&mail());
    operation.step("login", after(ms(1))).await.unwrap();
    assert_eq!(operation.finish().outcome(), OperationOutcome::Failed);

    let operation = start(&mail());
    let mut login = Box::pin(operation.step("login", never()));
    poll_once(&mut login).await;
    drop(login);
    let report = operation.finish();
    assert_eq!(report.outcome(), OperationOutcome::Cancelled);
    assert_eq!(outcomes(&report), [Cancelled, NotReached, NotReached, NotReached]);
}
