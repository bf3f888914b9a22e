//! Operations over futures of the clock: the paused clock measures them exactly.

mod events;
mod random;
mod report;
mod steps;

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;
use tower_outbound::operation::{Operation, OperationBuilder, Report, StepOutcome, StepReport};
use tower_outbound::{Deadline, Event, Outbound};

pub(crate) const LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn mail() -> OperationBuilder {
    with_mail_steps(Operation::builder("mail"))
}

pub(crate) fn with_mail_steps(operation: OperationBuilder) -> OperationBuilder {
    operation.step("login").each("select", ["INBOX", "Archive"]).best_effort("logout")
}

pub(crate) fn start(declared: &OperationBuilder) -> Operation {
    declared.start(Deadline::after(LIMIT))
}

/// Succeeds after this time.
pub(crate) async fn after(time: Duration) -> Result<(), Infallible> {
    sleep(time).await;
    Ok(())
}

pub(crate) async fn never() -> Result<(), Infallible> {
    pending().await
}

pub(crate) async fn refused() -> io::Result<()> {
    Err(io::ErrorKind::ConnectionRefused.into())
}

/// A future that must not be polled.
pub(crate) async fn unreachable() -> Result<(), Infallible> {
    panic!("a step that is not reached was polled")
}

pub(crate) fn outcomes(report: &Report) -> Vec<StepOutcome> {
    report.steps().iter().map(StepReport::outcome).collect()
}

/// An observed operation, and its events as lines.
pub(crate) fn observed() -> (OperationBuilder, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let recorded = Arc::clone(&lines);
    let observer = move |event: &Event<'_>| {
        let line = match event {
            Event::OperationStarted { operation, .. } => format!("start {}", operation.name()),
            Event::StepStarted { step, .. } => format!("start {}{}", step.name(), on(step.target())),
            Event::StepEnded { step, .. } => {
                format!("end {}{} {}", step.name(), on(step.target()), step.outcome().unwrap())
            }
            Event::OperationEnded { report, .. } => {
                format!("end {} {}", report.operation(), report.outcome())
            }
            _ => return,
        };
        recorded.lock().unwrap().push(line);
    };
    let outbound = Outbound::builder().observer(observer).build();
    (with_mail_steps(outbound.operation("mail")), lines)
}

pub(crate) fn on(target: Option<&str>) -> String {
    target.map(|target| format!(" {target}")).unwrap_or_default()
}

/// Polls a future once; it is pending.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) {
    std::future::poll_fn(|cx| {
        assert!(std::pin::Pin::new(&mut *future).poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}
