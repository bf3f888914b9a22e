use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::permit::Permit;

pin_project! {
    /// Response body of [`InFlightLimit`](super::InFlightLimit): releases the slot when the body ends.
    ///
    /// The body has ended at `None`, at an error, and as soon as `is_end_stream` is true, since a caller may then drop
    /// the body without another poll. Nothing is buffered or allocated per frame.
    ///
    /// # Cancel safety
    /// Dropping it drops the client's body, with the effect of that on the wire, and then releases the slot.
    #[derive(Debug)]
    pub struct InFlightLimitBody<B> {
        // Declared before `permit`, so that the request is gone when the slot is released.
        #[pin]
        inner: B,
        permit: Option<Permit>,
    }
}

impl<B: Body> InFlightLimitBody<B> {
    #[inline]
    pub(super) fn new(inner: B, permit: Option<Permit>) -> Self {
        let permit = permit.filter(|_| !inner.is_end_stream());
        Self { inner, permit }
    }
}

impl<B> InFlightLimitBody<B> {
    /// Returns a reference to the client's body.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// Returns the client's body. Releases the slot at once, although the body has not ended.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for InFlightLimitBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
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

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
