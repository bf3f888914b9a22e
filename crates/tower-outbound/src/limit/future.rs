use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::InFlightLimitBody;
use super::acquire::Acquire;
use super::permit::Permit;
use crate::error::BoxError;

pin_project! {
    /// Response future of [`InFlightLimit`](super::InFlightLimit): waits for a slot, then for the response's head.
    ///
    /// # Cancel safety
    /// Dropping it while the request waits removes the request from the queue; nothing was sent, and a slot that was
    /// just granted goes to the next request. Later, dropping it drops the client's future, with the effect of that on
    /// the wire, and then releases the slot.
    #[must_use = "futures do nothing unless polled"]
    pub struct InFlightLimitFuture<S, B, F> {
        // Declared before `permit`, so that the request is gone when the slot is released.
        #[pin]
        called: Option<F>,
        // Boxed, since most requests do not wait.
        waiting: Option<Box<Waiting<S, B>>>,
        permit: Option<Permit>,
    }
}

/// A request that was not sent yet.
struct Waiting<S, B> {
    inner: S,
    request: Option<Request<B>>,
    acquire: Acquire,
}

impl<S, B, F> InFlightLimitFuture<S, B, F> {
    #[inline]
    pub(super) fn called(future: F, permit: Option<Permit>) -> Self {
        Self { called: Some(future), waiting: None, permit }
    }

    pub(super) fn waiting(inner: S, request: Request<B>, acquire: Acquire) -> Self {
        let waiting = Waiting { inner, request: Some(request), acquire };
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

    #[inline]
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

/// Waits for the slot, then for the inner service, and calls it.
fn poll_send<S, B>(
    waiting: &mut Option<Box<Waiting<S, B>>>,
    permit: &mut Option<Permit>,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Future, BoxError>>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    let Waiting { inner, request, acquire } = waiting.as_deref_mut().expect("polled after it was ready");
    if permit.is_none() {
        *permit = Some(ready!(acquire.poll(cx))?);
    }
    ready!(inner.poll_ready(cx)).map_err(Into::into)?;
    let future = inner.call(request.take().expect("sent once"));
    *waiting = None;
    Poll::Ready(Ok(future))
}

impl<S, B, F> fmt::Debug for InFlightLimitFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.as_ref().map(|waiting| &waiting.acquire);
        f.debug_struct("InFlightLimitFuture")
            .field("waiting", &waiting)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}
