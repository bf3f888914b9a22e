//! Runs a future as a step.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::{Operation, StepError, StepOutcome, StepRun};
use crate::error::{BoxError, StepCause};
use crate::failure::{Failure, Kind};
use crate::record::DeadlineScope;

impl Operation {
    /// Runs a future as the first declared step of this name that has not run.
    ///
    /// The step starts when the future is first polled. Several steps may run at once. It needs a tokio runtime with its time
    /// driver enabled.
    ///
    /// # Errors
    /// - The future's own error, as the [source](std::error::Error::source) of a [`StepError`].
    /// - The deadline passes: the future is dropped.
    /// - The deadline has passed, no step of this name is declared, or all of them have run: the future is never polled.
    ///
    /// # Cancel safety
    /// Dropping the future drops the one inside, and the step is [cancelled](StepOutcome::Cancelled).
    ///
    /// # Example
    /// ```
    /// # use tower_outbound::operation::{Operation, StepError};
    /// # async fn run(operation: &Operation) -> Result<(), StepError> {
    /// let address = operation.step("resolve", tokio::net::lookup_host("imap.example:143")).await?.next();
    /// # drop(address);
    /// # Ok(())
    /// # }
    /// ```
    pub fn step<F, T, E>(&self, name: &'static str, future: F) -> StepFuture<'_, F>
    where
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        self.run(name, None, future)
    }

    /// As [`step`](Self::step), for the declared step with this target.
    ///
    /// # Errors
    /// Those of [`step`](Self::step).
    ///
    /// # Cancel safety
    /// That of [`step`](Self::step).
    pub fn step_on<F, T, E>(&self, name: &'static str, target: &str, future: F) -> StepFuture<'_, F>
    where
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        self.run(name, Some(target.into()), future)
    }

    fn run<F: Future>(&self, name: &'static str, target: Option<Arc<str>>, future: F) -> StepFuture<'_, F> {
        let future = Some(self.deadline().scope(future));
        StepFuture { future, limit: None, running: None, operation: self, name, target }
    }
}

pin_project! {
    /// A future that runs as a step; from [`Operation::step`].
    ///
    /// # Cancel safety
    /// Dropping it drops the future inside, and the step is [cancelled](StepOutcome::Cancelled).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct StepFuture<'a, F> {
        // `None` once it has ended.
        #[pin]
        future: Option<DeadlineScope<F>>,
        #[pin]
        limit: Option<Sleep>,
        // After the future: what the future's drop does belongs to the step.
        running: Option<Running<'a>>,
        operation: &'a Operation,
        name: &'static str,
        target: Option<Arc<str>>,
    }
}

/// A step that runs. Dropped, it is cancelled.
#[derive(Debug)]
struct Running<'a> {
    operation: &'a Operation,
    step: &'a StepRun,
}

impl Running<'_> {
    fn end(&self, outcome: StepOutcome, failure: Option<Failure>) {
        self.operation.end(self.step, outcome, failure);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.end(StepOutcome::Cancelled, None);
    }
}

impl<F, T, E> Future for StepFuture<'_, F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, StepError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let operation = *this.operation;
        let error = |target: &mut Option<Arc<str>>, cause| StepError::new(this.name, target.take(), cause);
        if this.running.is_none() && this.future.is_some() {
            let refused = if operation.deadline().has_passed() {
                operation.refuse();
                Some(StepCause::NotReached)
            } else {
                *this.running = operation
                    .begin(this.name, this.target.as_deref())
                    .map(|step| Running { operation, step });
                this.running.is_none().then_some(StepCause::NotDeclared)
            };
            if let Some(cause) = refused {
                this.future.set(None);
                return Poll::Ready(Err(error(this.target, cause)));
            }
            this.limit.set(Some(sleep_until(operation.deadline().instant())));
        }
        let Some((future, running)) = this.future.as_mut().as_pin_mut().zip(this.running.as_ref()) else {
            return Poll::Pending; // It was polled after its end.
        };
        // The future first: it may have an answer, and it knows more of what the time was spent on.
        let result = match poll_inside(running, future, cx) {
            Poll::Ready(result) => result.map_err(|error| Some(error.into())),
            Poll::Pending => {
                // Not the timer alone: it stays pending in a task whose budget is used up.
                let limit = this.limit.as_mut().as_pin_mut();
                let expired = limit.is_none_or(|limit| limit.poll(cx).is_ready());
                if !expired && !operation.deadline().has_passed() {
                    return Poll::Pending;
                }
                Err(None)
            }
        };
        this.future.set(None);
        let (outcome, failure, result) = match result {
            Ok(value) => (StepOutcome::Ok, None, Ok(value)),
            Err(source) => {
                let exceeded = || Failure::new(Kind::DeadlineExceeded);
                let failure = source.as_ref().map_or_else(exceeded, |error: &BoxError| Failure::of(&**error));
                let (outcome, cause) = match (failure.kind(), source) {
                    (Kind::DeadlineExceeded, source) => (StepOutcome::TimedOut, StepCause::TimedOut(source)),
                    (_, None) => (StepOutcome::TimedOut, StepCause::TimedOut(None)),
                    (_, Some(source)) => (StepOutcome::Failed, StepCause::Failed(source)),
                };
                let target = running.step.target().map(Arc::from);
                (outcome, Some(failure), Err(StepError::new(this.name, target, cause)))
            }
        };
        running.end(outcome, failure);
        *this.running = None;
        Poll::Ready(result)
    }
}

/// Polls a future inside of the observers.
fn poll_inside<F: Future>(
    running: &Running<'_>,
    mut future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let observers = running.operation.observers();
    if observers.is_empty() {
        return future.poll(cx);
    }
    let mut polled = None;
    observers.poll_step(running.step, &mut || {
        // A panic passes the observers as a value: it is not theirs.
        polled = Some(catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))));
    });
    match polled {
        Some(Ok(polled)) => polled,
        Some(Err(panic)) => resume_unwind(panic),
        None => future.poll(cx),
    }
}
