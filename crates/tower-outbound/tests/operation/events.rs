//! The events: each start has one end.

use std::panic::AssertUnwindSafe;

use tower_outbound::Observer;
use tower_outbound::operation::StepRun;

use crate::*;

#[tokio::test(start_paused = true)]
async fn operation_dropped_midway_cancels_running_step() {
    let (declared, lines) = observed();
    let mut run = Box::pin(async move {
        let operation = start(&declared);
        operation.step("login", after(ms(1))).await.unwrap();
        operation.step("select", never()).await
    });
    assert!(tokio::time::timeout(ms(100), &mut run).await.is_err());
    drop(run);
    let expected = [
        "start mail",
        "start login",
        "end login ok",
        "start select INBOX",
        "end select INBOX cancelled",
        "end mail cancelled",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn operation_error_returned_by_its_function_is_its_outcome() {
    for (late, outcome) in [(false, "failed"), (true, "timed_out")] {
        let (declared, lines) = observed();
        let steps = async {
            let operation = start(&declared);
            if late {
                operation.step("login", never()).await?;
            } else {
                operation.step("login", refused()).await?;
            }
            operation.step("select", unreachable()).await
        };
        steps.await.unwrap_err();
        let lines = lines.lock().unwrap();
        assert_eq!(lines[2..], [format!("end login {outcome}"), format!("end mail {outcome}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn operation_step_that_panics_ends_once_and_panic_goes_on() {
    let (declared, lines) = observed();
    let run = tokio::spawn(async move {
        let operation = start(&declared);
        let panics = async {
            tokio::task::yield_now().await;
            panic!("of the step");
            #[expect(unreachable_code, reason = "the type of the future")]
            Ok::<(), Infallible>(())
        };
        operation.step("login", panics).await
    });
    let panic = run.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"of the step"));
    let expected = ["start mail", "start login", "end login cancelled", "end mail cancelled"];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn operation_step_whose_future_is_leaked_ends_with_it() {
    let (declared, lines) = observed();
    let operation = start(&declared);
    let mut login = Box::pin(operation.step("login", never()));
    poll_once(&mut login).await;
    std::mem::forget(login);
    drop(operation.finish());
    let expected = ["start mail", "start login", "end login cancelled", "end mail cancelled"];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn operation_step_not_reached_has_no_event() {
    let (declared, lines) = observed();
    let operation = start(&declared);
    operation.step("login", never()).await.unwrap_err();
    operation.step("select", unreachable()).await.unwrap_err();
    drop(operation.step("select", unreachable()));
    drop(operation.finish());
    let expected = ["start mail", "start login", "end login timed_out", "end mail timed_out"];
    assert_eq!(*lines.lock().unwrap(), expected);
}

/// What an observer does at the poll of a step.
#[derive(Clone, Copy, Debug)]
enum AtPoll {
    Forget,
    PollTwice,
    PanicBefore,
    PanicAfter,
}

impl Observer for AtPoll {
    fn on_event(&self, _: &Event<'_>) {}

    fn on_step_poll(&self, _: &StepRun, poll: &mut dyn FnMut()) {
        match self {
            Self::Forget => {}
            Self::PollTwice => {
                poll();
                poll();
            }
            Self::PanicBefore => panic!("before the poll"),
            Self::PanicAfter => {
                poll();
                panic!("after the poll");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn operation_step_goes_on_whatever_observers_do_at_its_poll() {
    for bad in [AtPoll::Forget, AtPoll::PollTwice, AtPoll::PanicBefore, AtPoll::PanicAfter] {
        let polls = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&polls);
        let outbound = Outbound::builder().observer(bad).observer(|_: &Event<'_>| {}).build();
        let operation = start(&with_mail_steps(outbound.operation("mail")));
        let step = std::future::poll_fn(move |cx| {
            let mut polls = counted.lock().unwrap();
            *polls += 1;
            if *polls < 3 {
                cx.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(Ok::<_, Infallible>(7))
        });
        assert_eq!(operation.step("login", step).await.unwrap(), 7, "{bad:?}");
        assert_eq!(*polls.lock().unwrap(), 3, "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn operation_step_polled_after_its_end_does_not_panic() {
    let operation = start(&mail());
    let mut login = Box::pin(operation.step("login", after(ms(1))));
    (&mut login).await.unwrap();
    let again = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(login.as_mut().poll(&mut cx).is_pending());
    }));
    assert!(again.is_ok());
}
