use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::permit::Permit;

pin_project! {
    /// The body of a response under limits: gives the slot back when it ends.
    ///
    /// A body counts as ended also when it says so by `is_end_stream`, since hyper drops it without polling it to
    /// `None`, and when it fails. It adds no buffering and no allocation per frame.
    ///
    /// # Cancel safety
    /// Dropping it drops the client's body first, with what that does on the wire, and then gives the slot back.
    #[derive(Debug)]
    pub struct InFlightLimitBody<B> {
        // Before `permit`, so that nothing of the request is left when the slot goes.
        #[pin]
        inner: B,
        permit: Option<Permit>,
    }
}

impl<B: Body> InFlightLimitBody<B> {
    pub(super) fn new(inner: B, permit: Option<Permit>) -> Self {
        let permit = permit.filter(|_| !inner.is_end_stream());
        Self { inner, permit }
    }
}

impl<B> InFlightLimitBody<B> {
    /// The client's own body.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The client's own body; the slot goes back at once.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for InFlightLimitBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = this.inner.as_mut().poll_frame(cx);
        let ended = match &polled {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => this.permit.is_some() && this.inner.is_end_stream(),
            Poll::Ready(Some(Err(_)) | None) => true,
        };
        if ended {
            *this.permit = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
