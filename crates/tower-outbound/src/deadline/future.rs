use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::DeadlineBody;
use crate::error::{BoxError, DeadlineElapsed, Error};
use crate::failure::{Failure, Kind, Phase};
use crate::record::{Deadline, DeadlineScope};
use crate::timer::RESOLUTION;

/// Layers below with the same deadline are to end the call first: they know the phase.
const AFTER_OTHERS: Duration = RESOLUTION.saturating_mul(2);

pin_project! {
    /// The deadline of a request, and when it was made.
    #[derive(Debug)]
    pub(super) struct Cut {
        start: Instant,
        deadline: Deadline,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl Cut {
    pub(super) fn new(start: Instant, deadline: Deadline) -> Self {
        // No timer works outside of a tokio runtime.
        let in_runtime = Handle::try_current().is_ok();
        let timer = in_runtime.then(|| sleep_until(deadline.instant() + AFTER_OTHERS));
        Self { start, deadline, timer }
    }

    /// The error of the request, if its deadline has passed.
    pub(super) fn poll(self: Pin<&mut Self>, phase: Option<Phase>, cx: &mut Context<'_>) -> Poll<Error> {
        let this = self.project();
        let Some(timer) = this.timer.as_pin_mut() else { return Poll::Pending };
        timer.poll(cx).map(|()| error(phase, Some(this.start.elapsed())))
    }
}

/// `took`: since the request was made; `None` if the deadline had passed by then.
fn error(phase: Option<Phase>, took: Option<Duration>) -> Error {
    let failure = Failure::new(Kind::DeadlineExceeded);
    let failure = phase.map_or(failure.clone(), |phase| failure.with_phase(phase));
    let failure = if took.is_some() { failure } else { failure.unsent() };
    let elapsed = DeadlineElapsed::unobserved(phase, took.is_none(), took.unwrap_or_default());
    Error::new(failure, None, elapsed.into())
}

pin_project! {
    /// The future of a request under a deadline, until the response's head; from a
    /// [`DeadlineService`](super::DeadlineService).
    ///
    /// # Cancel safety
    /// Dropping it drops the client's future, as the deadline does: an HTTP/1 connection closes, an HTTP/2 stream is reset.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct DeadlineFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Without { #[pin] future: F },
        Until { #[pin] future: DeadlineScope<F>, #[pin] cut: Cut },
        /// The deadline had passed, or the future is ready.
        Over,
    }
}

impl<F: Future> DeadlineFuture<F> {
    pub(super) fn without(future: F) -> Self {
        Self { state: State::Without { future } }
    }

    pub(super) fn passed() -> Self {
        Self { state: State::Over }
    }

    pub(super) fn until(deadline: Deadline, future: F) -> Self {
        let cut = Cut::new(Instant::now(), deadline);
        Self { state: State::Until { future: deadline.scope(future), cut } }
    }
}

impl<F, R, E> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Error: Into<BoxError>,
    E: Into<BoxError>,
{
    type Output = Result<Response<DeadlineBody<R>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let (polled, cut) = match state.as_mut().project() {
            StateProj::Without { future } => (future.poll(cx), None),
            StateProj::Until { future, cut } => (future.poll(cx), Some(cut)),
            StateProj::Over => return Poll::Ready(Err(error(None, None))),
        };
        let result = match (polled, cut) {
            (Poll::Pending, Some(cut)) => Err(std::task::ready!(cut.poll(None, cx))),
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Ready(Err(error)), _) => Err(Error::from_client(error.into())),
            (Poll::Ready(Ok(response)), cut) => {
                let until = cut.map(|cut| (cut.start, cut.deadline));
                Ok(response.map(|body| DeadlineBody::new(body, until)))
            }
        };
        state.set(State::Over);
        Poll::Ready(result)
    }
}
