use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::InFlightLimitBody;
use super::permit::{Permit, Wait};
use crate::error::BoxError;

pin_project! {
    /// The future of a request under limits: waits for a slot, then for the response's head.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue, and a slot that it was just given goes to the next; nothing of
    /// the request was sent. After that, dropping it drops the client's future first, with what that does on the
    /// wire, and then gives the slot back.
    #[must_use = "futures do nothing unless polled"]
    pub struct InFlightLimitFuture<S, B, F> {
        // In the order in which they are to be dropped: the slot goes when nothing of the request is left.
        #[pin]
        called: Option<F>,
        // Boxed, so that a request that need not wait carries a word.
        waiting: Option<Box<Waiting<S, B>>>,
        permit: Option<Permit>,
    }
}

/// A request that is not sent yet.
struct Waiting<S, B> {
    inner: S,
    request: Option<Request<B>>,
    wait: Wait,
}

impl<S, B, F> InFlightLimitFuture<S, B, F> {
    pub(super) fn called(future: F, permit: Option<Permit>) -> Self {
        Self { called: Some(future), waiting: None, permit }
    }

    pub(super) fn waiting(inner: S, request: Request<B>, wait: Wait) -> Self {
        let waiting = Waiting { inner, request: Some(request), wait };
        Self { called: None, waiting: Some(Box::new(waiting)), permit: None }
    }
}

impl<S, B, R> Future for InFlightLimitFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<InFlightLimitBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.called.is_none() {
            let sent = ready!(poll_send(this.waiting, this.permit, cx));
            match sent {
                Ok(future) => this.called.set(Some(future)),
                Err(error) => {
                    *this.waiting = None;
                    *this.permit = None;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let called = this.called.as_mut().as_pin_mut().expect("called above");
        let result = ready!(called.poll(cx));
        this.called.set(None);
        let permit = this.permit.take();
        Poll::Ready(match result {
            Ok(response) => Ok(response.map(|body| InFlightLimitBody::new(body, permit))),
            Err(error) => {
                drop(permit);
                Err(error.into())
            }
        })
    }
}

/// Waits for the slot, then for the client, and calls it.
fn poll_send<S, B>(
    waiting: &mut Option<Box<Waiting<S, B>>>,
    permit: &mut Option<Permit>,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Future, BoxError>>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    let Waiting { inner, request, wait } = waiting.as_deref_mut().expect("polled after it was ready");
    if permit.is_none() {
        *permit = Some(ready!(wait.poll(cx))?);
    }
    ready!(inner.poll_ready(cx)).map_err(Into::into)?;
    let future = inner.call(request.take().expect("sent once"));
    *waiting = None;
    Poll::Ready(Ok(future))
}

impl<S, B, F> fmt::Debug for InFlightLimitFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.as_ref().map(|waiting| &waiting.wait);
        f.debug_struct("InFlightLimitFuture")
            .field("waiting", &waiting)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}
