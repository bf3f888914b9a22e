//! Random operations: whatever the steps do, and wherever the operation is dropped, the events and the report agree.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::time::{Instant, timeout};
use tower_outbound::operation::OperationOutcome;

use crate::*;

/// What a step does after some time.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Succeeds,
    Fails,
    Hangs,
}

/// A call of `step` or `step_on`, with the name, the target, what the step does, and when.
type Call = (&'static str, Option<&'static str>, Ending, u64);

fn ending() -> impl Strategy<Value = (Ending, u64)> {
    let ending = prop_oneof![
        6 => Just(Ending::Succeeds),
        2 => Just(Ending::Fails),
        1 => Just(Ending::Hangs),
    ];
    (ending, prop_oneof![0..200_u64, 0..900_u64])
}

/// Every declared step in its order, some left out, with some other calls in between.
fn calls() -> impl Strategy<Value = Vec<Call>> {
    let name = prop::sample::select(vec!["login", "select", "logout", "undeclared"]);
    let target = prop::sample::select(vec![None, None, Some("INBOX"), Some("Archive")]);
    let odd = (name, target, ending())
        .prop_map(|(name, target, (ending, time))| (name, target, ending, time))
        .boxed();
    let slot = move |name| {
        let usual = ending().prop_map(move |(ending, time)| (name, None, ending, time));
        prop_oneof![8 => usual.prop_map(Some), 1 => odd.clone().prop_map(Some), 1 => Just(None)]
    };
    (slot("login"), slot("select"), slot("select"), slot("logout"))
        .prop_map(|(a, b, c, d)| [a, b, c, d].into_iter().flatten().collect())
}

async fn run(call: Call) -> io::Result<()> {
    let (_, _, ending, time) = call;
    sleep(ms(time)).await;
    match ending {
        Ending::Succeeds => Ok(()),
        Ending::Fails => refused().await,
        Ending::Hangs => pending().await,
    }
}

/// Runs the calls, two at a time if they are to run at once, and returns the report; `None` if it was dropped midway.
async fn operate(
    declared: &OperationBuilder,
    calls: Vec<Call>,
    at_once: bool,
    drop_at: u64,
) -> Option<Report> {
    let operation = start(declared);
    let step = async |call: Call| {
        let (name, target, ..) = call;
        match target {
            Some(target) => drop(operation.step_on(name, target, run(call)).await),
            None => drop(operation.step(name, run(call)).await),
        }
    };
    let steps = async {
        for pair in calls.chunks(if at_once { 2 } else { 1 }) {
            match pair {
                [one, other] => drop(tokio::join!(step(*one), step(*other))),
                pair => step(pair[0]).await,
            }
        }
    };
    timeout(ms(drop_at), steps).await.ok()?;
    Some(operation.finish())
}

fn check(calls: Vec<Call>, at_once: bool, drop_at: u64) -> Result<(), TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (declared, lines) = observed();
    let (report, took) = runtime.block_on(async {
        let began = Instant::now();
        (operate(&declared, calls, at_once, drop_at).await, began.elapsed())
    });
    prop_assert!(took <= LIMIT, "{took:?}");
    // Each start has one end, and that of the operation is the last.
    let lines = lines.lock().unwrap().clone();
    let mut open = BTreeMap::<String, i32>::new();
    for line in &lines {
        let (edge, rest) = line.split_once(' ').unwrap();
        let what = if edge == "start" { rest } else { rest.rsplit_once(' ').unwrap().0 };
        let count = open.entry(what.to_owned()).or_default();
        *count += if edge == "start" { 1 } else { -1 };
        prop_assert!((0..=1).contains(count), "{line}: {lines:?}");
    }
    prop_assert!(open.values().all(|count| *count == 0), "{lines:?}");
    prop_assert!(lines[0] == "start mail" && lines.last().unwrap().starts_with("end mail "), "{lines:?}");
    let Some(report) = report else { return Ok(()) };
    prop_assert_eq!(report.steps().len(), 4);
    for step in report.steps() {
        let outcome = step.outcome();
        let started = lines.contains(&format!("start {}{}", step.name(), on(step.target())));
        prop_assert_eq!(started, outcome != StepOutcome::NotReached, "{}", report);
        prop_assert_eq!(started, step.duration().is_some(), "{}", report);
        prop_assert!(step.duration().unwrap_or_default() <= report.total(), "{}", report);
        let has_error = matches!(outcome, StepOutcome::Failed | StepOutcome::TimedOut);
        prop_assert_eq!(step.failure().is_some(), has_error, "{}", report);
        prop_assert!(outcome != StepOutcome::TimedOut || report.total() == LIMIT, "{}", report);
    }
    // What is called later is not begun.
    let timed_out = outcomes(&report).into_iter().filter(|outcome| *outcome == StepOutcome::TimedOut).count();
    prop_assert!(timed_out <= if at_once { 2 } else { 1 }, "{}", report);
    let needed = &report.steps()[..3];
    let all_ok = needed.iter().all(|step| step.outcome() == StepOutcome::Ok);
    prop_assert_eq!(report.outcome() == OperationOutcome::Ok, all_ok, "{}", report);
    if report.outcome() == OperationOutcome::TimedOut {
        prop_assert_eq!(report.total(), LIMIT, "{}", report);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn operation_random_events_and_report_agree(
        calls in calls(), at_once: bool, drop_at in 0..4000_u64,
    ) {
        check(calls, at_once, drop_at)?;
    }
}
