//! What became of an export.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::health::Health;
use crate::Loss;

/// The number of rejected items; or why all are lost.
pub(super) type Outcome = Result<u64, Loss>;

/// When the shutdown's time is up: set once, when the shutdown begins.
pub(super) type Cutoff = watch::Receiver<Option<Instant>>;

tokio::task_local! {
    /// An exporter's result says less than our client knows.
    static REPORTED: Cell<Option<Outcome>>;
}

/// Reports the outcome of the export that calls it, as far as it is known.
pub(super) fn report(outcome: Outcome) {
    let _ = REPORTED.try_with(|reported| reported.set(Some(outcome)));
}

/// Runs one export until the shutdown's time is up. A panic is a failure.
///
/// Each poll is inside the runtime, for an exporter that uses it, and may block. So this is not the runtime's `block_on`,
/// below which reqwest's blocking client panics.
pub(super) async fn run(
    runtime: &Handle,
    cutoff: Cutoff,
    health: &Health,
    export: impl Future<Output = OTelSdkResult>,
) -> Outcome {
    health.begins();
    let mut export = Box::pin(until_cutoff(cutoff, health, export));
    let poll = poll_fn(|cx| {
        let _inside = runtime.enter();
        catch_unwind(AssertUnwindSafe(|| export.as_mut().poll(cx))).unwrap_or_else(|_| {
            health.fails(Loss::Failed, "the exporter panicked", false);
            Poll::Ready(Err(Loss::Failed))
        })
    });
    let outcome = poll.await;
    // A client may spawn when a request is dropped.
    let _inside = runtime.enter();
    drop(export);
    outcome
}

async fn until_cutoff(
    mut cutoff: Cutoff,
    health: &Health,
    export: impl Future<Output = OTelSdkResult>,
) -> Outcome {
    let mut export = pin!(REPORTED.scope(Cell::new(None), export));
    let result = tokio::select! {
        biased;
        () = passed(&mut cutoff) => None,
        result = export.as_mut() => Some(result),
    };
    let reported = export.take_value().and_then(|reported| reported.get());
    match (reported, result) {
        (Some(outcome), _) => outcome,
        (None, Some(Ok(()))) => {
            health.works("");
            Ok(0)
        }
        (None, Some(Err(error))) => {
            let loss = match error {
                OTelSdkError::Timeout(_) => Loss::TimedOut,
                _ => Loss::Failed,
            };
            health.fails(loss, &error.to_string(), false);
            Err(loss)
        }
        // Before this export's first answer: the last one of another export is the best evidence.
        (None, None) => Err(health.last_loss().unwrap_or(Loss::TimedOut)),
    }
}

/// Completes when the shutdown's time is up.
pub(super) async fn passed(cutoff: &mut Cutoff) {
    let end = cutoff.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    match end {
        Some(end) => sleep_until(end).await,
        // The pipeline is gone without a shutdown.
        None => std::future::pending().await,
    }
}
