use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::IncomingDeadlineBody;
use crate::record::{Deadline, DeadlineScope};

pin_project! {
    /// The future of an [`IncomingDeadline`](super::IncomingDeadline).
    ///
    /// # Cancel safety
    /// Dropping it drops the handler's future.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct IncomingDeadlineFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Without { #[pin] future: F },
        Within { #[pin] future: DeadlineScope<F>, deadline: Deadline },
    }
}

impl<F: Future> IncomingDeadlineFuture<F> {
    pub(super) fn without(future: F) -> Self {
        Self { state: State::Without { future } }
    }

    pub(super) fn within(deadline: Deadline, future: F) -> Self {
        Self { state: State::Within { future: deadline.scope(future), deadline } }
    }
}

impl<F, R, E> Future for IncomingDeadlineFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<IncomingDeadlineBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, deadline) = match self.project().state.project() {
            StateProj::Without { future } => (ready!(future.poll(cx)), None),
            StateProj::Within { future, deadline } => (ready!(future.poll(cx)), Some(*deadline)),
        };
        Poll::Ready(result.map(|response| response.map(|body| IncomingDeadlineBody::new(body, deadline))))
    }
}
